/** Where a program says what it does: an event and its fields. */
export type EventLog = { info(fields: object, event: string): void };
