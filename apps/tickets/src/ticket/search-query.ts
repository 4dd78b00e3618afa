/** A beginning shorter than this is in too many words to be worth looking for. */
const MIN_PREFIX_LENGTH = 3;

const TERM = /(?<minus>-?)(?:"(?<phrase>[^"]*)"?|(?<word>\S+))/gu;

/**
 * What somebody types into a search box, as the text of a PostgreSQL tsquery: every word must occur, "words in quotes"
 * and words joined by signs (zrh-core-1) follow each other, -words must not occur, and the last word may be the
 * beginning of one.
 *
 * @param weights restricts where words count, e.g. `AB`; empty for everywhere
 * @returns null when no word is left that must occur
 */
export function searchQuery(typed: string, weights: string): string | null {
  const terms = [...typed.normalize('NFC').matchAll(TERM)]
    .map(({ groups = {} }) => ({
      negated: groups['minus'] === '-',
      quoted: groups['phrase'] !== undefined,
      words: wordsOf(groups['phrase'] ?? groups['word'] ?? ''),
    }))
    .filter(({ words }) => words.length > 0);
  if (terms.every(({ negated }) => negated)) return null;
  return terms
    .map(({ negated, quoted, words }, index) => {
      const open = index === terms.length - 1 && !negated && !quoted;
      const operands = words.map((word, position) => {
        const flags = (open && position === words.length - 1 && mayBegin(word) ? '*' : '') + weights;
        return flags === '' ? `'${word}'` : `'${word}':${flags}`;
      });
      const phrase = operands.length === 1 ? operands[0]! : `(${operands.join(' <-> ')})`;
      return negated ? `!${phrase}` : phrase;
    })
    .join(' & ');
}

/** The same cut as the function tickets.search_words makes. */
function wordsOf(text: string): string[] {
  return text.split(/(?:[^\p{Alphabetic}0-9.]|\.(?![0-9])|(?<![0-9])\.)+/u).filter((word) => word !== '');
}

/** Scripts that write without blanks say much in one character. */
function mayBegin(word: string): boolean {
  return word.length >= MIN_PREFIX_LENGTH || /[^\u0000-\u024f]/u.test(word);
}
