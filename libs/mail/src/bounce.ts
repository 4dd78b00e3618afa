/**
 * What a bounce says of each recipient. Standard reports say it in fields (RFC 3464); the others in the words of the
 * server that gave up, which differ from system to system and are read for what they have in common: an address, an
 * enhanced status code (RFC 3463), a reply code (RFC 5321) and phrases.
 */
import { normaliseAddress } from './addresses.js';
import { bounceKindOf, isHard, type BounceKind } from './bounce-kind.js';
import { cutText } from './charset.js';
import type { ParsedMail } from './mail.js';

/** RFC 3464 §2.3.3 */
export type BounceAction = 'failed' | 'delayed' | 'delivered' | 'relayed' | 'expanded';

export interface BounceResult {
  /** Null when the report names nobody. */
  recipient: string | null;
  action: BounceAction;
  /** Enhanced status code, `5.1.1`; null when nothing says it. */
  status: string | null;
  kind: BounceKind;
  /** Another try cannot succeed: the address, or the domain, does not exist. */
  hard: boolean;
  /** The server's words, at most 500 characters. */
  diagnostic: string | null;
}

const MAX_RESULTS = 100;
const MAX_TEXT = 64 * 1024;
const MAX_DIAGNOSTIC = 500;

/** @param mail one that `classify` calls a bounce */
export function bounceResults(mail: ParsedMail): BounceResult[] {
  const text = mail.text.slice(0, MAX_TEXT);
  const reported = mail.automatic.deliveryReports.flatMap(recipientBlocks);
  const inText = reported.length > 0 ? [] : recipientBlocks(text);
  const blocks = [...reported, ...inText];
  const results = blocks.length > 0 ? blocks.map((block) => ofBlock(block, text)) : ofWords(mail, text);
  return distinct(results).slice(0, MAX_RESULTS);
}

type Block = Map<string, string>;

/** The groups of fields of a report that name a recipient. */
function recipientBlocks(report: string): Block[] {
  return report
    .slice(0, MAX_TEXT)
    .split(/\r?\n[ \t]*\r?\n/)
    .map(fieldsOf)
    .filter((block) => block.has('final-recipient') || block.has('original-recipient') || block.has('action'));
}

const FIELD =
  /^(final-recipient|original-recipient|action|status|diagnostic-code|remote-mta|reporting-mta|x-actual-recipient)[ \t]*:[ \t]*(.*)$/i;

function fieldsOf(group: string): Block {
  const block: Block = new Map();
  let last: string | null = null;
  for (const line of group.split(/\r?\n/)) {
    const field = FIELD.exec(line);
    if (field) {
      last = field[1]!.toLowerCase();
      if (!block.has(last)) block.set(last, field[2]!.trim());
      else last = null;
    } else if (last && /^[ \t]/.test(line)) {
      block.set(last, `${block.get(last)} ${line.trim()}`);
    } else {
      last = null;
    }
  }
  return block;
}

function ofBlock(block: Block, text: string): BounceResult {
  const recipient = addressOf(block.get('final-recipient')) ?? addressOf(block.get('original-recipient'));
  const code = block.get('diagnostic-code')?.replace(/^[\w-]{1,40}\s*;\s*/, '') ?? '';
  const diagnostic = code || aboutIn(text, recipient);
  const declared = /\b([245]\.\d{1,3}\.\d{1,3})\b/.exec(block.get('status') ?? '')?.[1] ?? null;
  return resultOf(recipient, block.get('action') ?? '', declared, diagnostic, text);
}

/** Words without fields: one result for each address that heads a paragraph, or else one for all. */
function ofWords(mail: ParsedMail, text: string): BounceResult[] {
  const said = ownWords(text);
  const others = new Set([...mail.from, ...mail.to].map(({ address }) => address.toLowerCase()));
  const headed = headedParagraphs(said, others);
  if (headed.size > 1)
    return [...headed].map(([address, words]) => resultOf(normaliseAddress(address), '', null, words, ''));
  const named = [...mail.automatic.failedRecipientAddresses, ...headed.keys(), ...addressesIn(said)];
  const recipient =
    named.find((address) => !others.has(address.toLowerCase())) ?? mail.enclosed[0]?.to[0]?.address ?? null;
  return [resultOf(recipient, '', null, aboutIn(text, recipient), said)];
}

/** What is said of each address that begins a line. */
function headedParagraphs(said: string, others: Set<string>): Map<string, string> {
  const heads = [...said.matchAll(HEADED)].filter(([, address]) => !others.has(address!.toLowerCase()));
  const paragraphs = new Map<string, string>();
  heads.forEach(({ 1: address, index }, i) => {
    const words = said.slice(index, heads[i + 1]?.index);
    paragraphs.set(address!, `${paragraphs.get(address!) ?? ''}${words}`);
  });
  return paragraphs;
}

/** An address at the beginning of a line, with or without brackets, and something after it that sets it off. */
const HEADED =
  /^[ \t]{0,20}(?:\d{3} )?["'<]{0,2}([A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,250})["'>]{0,2}[ \t]{0,5}(?::|\.\.\.|Invalid Address|\r?$)/gm;

/** @param around the rest of the report, in case the diagnostic says nothing */
function resultOf(
  recipient: string | null,
  action: string,
  declared: string | null,
  diagnostic: string,
  around: string,
): BounceResult {
  const status = statusOf(declared, diagnostic);
  const said = bounceKindOf(status, diagnostic, around);
  const kind = said === 'undefined' ? bounceKindOf(status, around, around) : said;
  return {
    recipient,
    action: actionOf(action, status, kind),
    status,
    kind,
    hard: isHard(kind, status),
    diagnostic: cutText(diagnostic.replaceAll(/\s+/g, ' ').trim(), MAX_DIAGNOSTIC).text || null,
  };
}

/** What the far server answered is nearer to the truth than what ours declares; any code says more than x.0.0. */
function statusOf(declared: string | null, words: string): string | null {
  const answered = /^\s*[245]\d\d[ -]#?([245]\.[0-7]\.\d{1,3})\b/.exec(words)?.[1];
  if (answered && !answered.endsWith('.0.0')) return answered;
  if (declared && !declared.endsWith('.0.0')) return declared;
  const said = /(?:^|[\s(#:;,[-])([45]\.[0-7]\.\d{1,3})(?=$|[\s):;,\]\-<.])/.exec(words)?.[1] ?? null;
  if (said && !said.endsWith('.0.0')) return said;
  return declared ?? said;
}

function actionOf(declared: string, status: string | null, kind: BounceKind): BounceAction {
  const action = /^(failed|delayed|delivered|relayed|expanded)\b/i.exec(declared)?.[1]?.toLowerCase();
  if (action) return action as BounceAction;
  if (kind === 'delivered') return 'delivered';
  return status?.startsWith('4') ? 'delayed' : 'failed';
}

/** `rfc822; jane@example.com`, in whatever brackets. */
function addressOf(field: string | undefined): string | null {
  const value = field?.replace(/^[\w-]{1,40}\s*;\s*/, '') ?? '';
  return addressesIn(value)[0] ?? null;
}

function addressesIn(text: string): string[] {
  const found = text.matchAll(/[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,250}/g);
  return [...found].flatMap(([address]) => normaliseAddress(address.replace(/\.$/, '')) ?? []).slice(0, MAX_RESULTS);
}

/** What the report says itself, before the mail that it returns. */
function ownWords(text: string): string {
  const returned =
    /^(?:-{2,}|_{2,}|={2,}).{0,80}(?:copy of|original message|returned message|message header|unsent message|below this line).{0,80}$|^Received: /im;
  const at = returned.exec(text)?.index ?? -1;
  return at > 0 ? text.slice(0, at) : text;
}

/** The words around the recipient's address in the readable part. */
function aboutIn(text: string, recipient: string | null): string {
  const said = ownWords(text);
  const quoted =
    /returned was:/i.exec(said) ?? /(?<!permanent )failure: |said: |because:|Reason: |responded with/i.exec(said);
  if (quoted) return said.slice(quoted.index + quoted[0].length);
  const at = recipient ? said.toLowerCase().indexOf(recipient.toLowerCase()) : -1;
  return at < 0 ? said : said.slice(at);
}

function distinct(results: BounceResult[]): BounceResult[] {
  const seen = new Set<string>();
  return results.filter(({ recipient, action }) => {
    const key = `${recipient} ${action}`;
    return !seen.has(key) && seen.add(key);
  });
}
