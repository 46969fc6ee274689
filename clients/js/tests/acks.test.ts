import { describe, expect, it } from "vitest";
import { Book } from "../src/acks.js";

describe("Book", () => {
  it("knows what was not answered, each by itself or with all before it", () => {
    for (const [cumulative, left] of [[false, ["a", "c"]], [true, ["c"]]] as const) {
      const book = new Book(cumulative, 0);
      const numbers = ["a", "b", "c"].map((id) => book.add(id));
      expect(book.answer(numbers[1] ?? 0, false)).toBe(true);
      expect(book.answer(numbers[1] ?? 0, true)).toBe(false);
      expect(book.end()).toEqual(left);
      expect(book.answer(numbers[2] ?? 0, false)).toBe(false);
      expect(book.end()).toEqual([]);
    }
  });

  it("waits for what was refused until it comes again", () => {
    const book = new Book(false, 0);
    book.answer(book.add("a"), true);
    book.answer(book.add("b"), true);
    book.answer(book.add("a"), false);
    expect(book.end()).toEqual(["b"]);
  });

  it("does not wait for what was refused once too often", () => {
    for (const [others, left] of [[6, ["a"]], [7, []]] as const) {
      const book = new Book(false, 3);
      book.answer(book.add("a"), true);
      for (let number = 0; number < others; number++) book.answer(book.add(`b${number}`), false);
      expect(book.end()).toEqual(left);
    }
  });
});
