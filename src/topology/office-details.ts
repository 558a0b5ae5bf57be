/** What is known of an office besides where it stands and which addresses it has. */
export type OfficeDetails = {
  /** The rate of the line to its parent office, in kbit/s. */
  readonly wanKbitS?: number;
  /** Host name of the device that is preferred to fetch for the office. */
  readonly preferredRvp?: string;
  /** Whether each byte over the line costs. */
  readonly metered?: boolean;
  /** Whether the office has a way to the CDN of its own. */
  readonly directCdn?: boolean;
  readonly description?: string;
};

/** The fastest line that can be entered, in kbit/s: a terabit a second. */
export const WAN_KBIT_S_MAX = 1_000_000_000;

/** Most characters of a description and of a host name. */
export const DESCRIPTION_LENGTH_MAX = 256;
export const RVP_LENGTH_MAX = 64;

/** The details among other fields of an office; what is empty is absent. */
export function detailsOf(given: OfficeDetails): OfficeDetails {
  const { wanKbitS, preferredRvp = "", metered, directCdn, description = "" } = given;
  return {
    ...(wanKbitS === undefined ? {} : { wanKbitS }),
    ...(preferredRvp.trim() === "" ? {} : { preferredRvp: preferredRvp.trim() }),
    ...(metered === undefined ? {} : { metered }),
    ...(directCdn === undefined ? {} : { directCdn }),
    ...(description.trim() === "" ? {} : { description: description.trim() }),
  };
}

/** What is wrong with details: a code, and a part of a sentence to follow the office's name. */
export function judgeDetails(
  details: OfficeDetails,
): readonly { readonly code: string; readonly problem: string }[] {
  const { wanKbitS, preferredRvp = "", description = "" } = details;
  const problems: { code: string; problem: string }[] = [];
  const whole = wanKbitS === undefined || Number.isSafeInteger(wanKbitS);
  if (!whole || (wanKbitS ?? 1) < 1 || (wanKbitS ?? 1) > WAN_KBIT_S_MAX) {
    const wanted = `write a whole number of kbit/s from 1 to ${WAN_KBIT_S_MAX}`;
    problems.push({ code: "bad-wan-rate", problem: `has no rate of its line: ${wanted}` });
  }
  if (preferredRvp.length > RVP_LENGTH_MAX || hasControls(preferredRvp)) {
    const wanted = `write a host name of at most ${RVP_LENGTH_MAX} characters`;
    problems.push({ code: "bad-rvp", problem: `prefers no device: ${wanted}` });
  }
  if (description.length > DESCRIPTION_LENGTH_MAX || hasControls(description)) {
    const wanted = `use at most ${DESCRIPTION_LENGTH_MAX} characters, in one line`;
    problems.push({ code: "bad-description", problem: `has no usable description: ${wanted}` });
  }
  return problems;
}

/** Whether a text has characters that no one can see, and that databases and logs do not take. */
export function hasControls(text: string): boolean {
  return [...text].some((character) => character < " " || character === "\u007f");
}
