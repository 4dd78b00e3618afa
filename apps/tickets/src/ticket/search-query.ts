/** A beginning shorter than this is in too many words to be worth looking for. */
const MIN_PREFIX_LENGTH = 3;

const TERM = /(?<minus>-?)(?:"(?<phrase>[^"]*)"?|(?<word>\S+))/gu;

/** The texts of PostgreSQL tsqueries. */
export interface SearchQuery {
  /** What a document must match. */
  words: string;
  /** The same without the beginning of a word that it ends with; null when nothing is left that must occur. */
  wholeWords: string | null;
}

/**
 * What somebody types into a search box: every word must occur, "words in quotes" and words joined by signs (zrh-core-1)
 * follow each other, -words must not occur, and the last word may be the beginning of one.
 *
 * @param weights restricts where words count, e.g. `AB`; empty for everywhere
 * @returns null when no word is left that must occur
 */
export function searchQuery(typed: string, weights: string): SearchQuery | null {
  const terms = [...typed.normalize('NFC').matchAll(TERM)]
    .map(({ groups = {} }) => ({
      negated: groups['minus'] === '-',
      quoted: groups['phrase'] !== undefined,
      words: wordsOf(groups['phrase'] ?? groups['word'] ?? ''),
    }))
    .filter(({ words }) => words.length > 0);
  const last = terms.at(-1);
  const unfinished = last && !last.negated && !last.quoted && mayBegin(last.words.at(-1)!) ? last : undefined;
  const queryOf = (some: typeof terms): string | null => {
    if (some.every(({ negated }) => negated)) return null;
    return some
      .map((term) => (term.negated ? '!' : '') + sequence(term.words, term === unfinished, weights))
      .join(' & ');
  };
  const words = queryOf(terms);
  return words === null ? null : { words, wholeWords: queryOf(terms.filter((term) => term !== unfinished)) };
}

function sequence(words: string[], unfinished: boolean, weights: string): string {
  const operands = words.map((word, position) => {
    const flags = (unfinished && position === words.length - 1 ? '*' : '') + weights;
    return flags === '' ? `'${word}'` : `'${word}':${flags}`;
  });
  return operands.length === 1 ? operands[0]! : `(${operands.join(' <-> ')})`;
}

/** The same cut as the function tickets.search_words makes. */
function wordsOf(text: string): string[] {
  return text.split(/(?:[^\p{Alphabetic}0-9.]|\.(?![0-9])|(?<![0-9])\.)+/u).filter((word) => word !== '');
}

/** Scripts that write without blanks say much in one character. */
function mayBegin(word: string): boolean {
  return word.length >= MIN_PREFIX_LENGTH || /[^\u0000-\u024f]/u.test(word);
}
