/** Version of the wire protocol. Both ends of an association must speak a common one. */
export const PROTOCOL_VERSION = 1;

/** Version of the product, as `branchline --version` prints it. */
export const PRODUCT_VERSION = "0.1.0";
