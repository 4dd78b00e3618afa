/** Tags: short words of the house on a ticket. One tag is one spelling, whatever case and blanks somebody typed. */

const MAX_TAGS = 30;
const MAX_CHARACTERS = 50;

export interface TagRefusal {
  /** `tags`, or one of them by its place: `tags.3`. */
  field: string;
  code: 'tags_too_many' | 'tag_length_invalid' | 'tag_invalid' | 'tag_repeated';
  message: string;
}

/** The spelling that a tag is kept and found by: trimmed, in lower case, composed (Unicode NFC). */
export function normalTag(text: string): string {
  return text.trim().toLowerCase().normalize('NFC');
}

/** @returns the tags in their normal spelling, sorted; or every rule that the list breaks */
export function normalTags(texts: readonly string[]): { tags: string[] } | { refusals: TagRefusal[] } {
  const tags = texts.map(normalTag);
  const refusals = tags.flatMap((tag, index) => refusalsOf(tag, `tags.${index}`, tags.indexOf(tag) < index));
  if (tags.length > MAX_TAGS) {
    const message = `a ticket has at most ${MAX_TAGS} tags`;
    refusals.unshift({ field: 'tags', code: 'tags_too_many', message });
  }
  return refusals.length > 0 ? { refusals } : { tags: tags.toSorted() };
}

function refusalsOf(tag: string, field: string, repeated: boolean): TagRefusal[] {
  const length = [...tag].length;
  if (length === 0 || length > MAX_CHARACTERS) {
    return [{ field, code: 'tag_length_invalid', message: `a tag has 1 to ${MAX_CHARACTERS} characters` }];
  }
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(tag)) {
    return [{ field, code: 'tag_invalid', message: 'a tag has no control characters and no line breaks' }];
  }
  return repeated ? [{ field, code: 'tag_repeated', message: 'this tag was named before' }] : [];
}
