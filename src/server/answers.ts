import type { Answer, Command, CoordinatorInput, Question } from "../coordinator/contract.ts";

/** Operators that wait for what becomes of their commands. */
export class Answers {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #nextNumber = 1;

  /** Has a command carried out under a number of its own; resolves with the answer. */
  ask(tell: (input: CoordinatorInput) => void, command: Command, by: string): Promise<Answer> {
    const requestNumber = this.#nextNumber++;
    return new Promise((resolve) => {
      this.#waiting.set(requestNumber, resolve);
      tell({ kind: "command", requestNumber, command, by });
    });
  }

  /** Has a device asked; resolves with what it says, or why it says nothing. */
  question(tell: (input: CoordinatorInput) => void, question: Question): Promise<Answer> {
    const requestNumber = this.#nextNumber++;
    return new Promise((resolve) => {
      this.#waiting.set(requestNumber, resolve);
      tell({ kind: "question", requestNumber, ...question });
    });
  }

  onAnswer(requestNumber: number, answer: Answer): void {
    this.#waiting.get(requestNumber)?.(answer);
    this.#waiting.delete(requestNumber);
  }
}
