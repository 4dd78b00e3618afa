/**
 * Why a mail was not delivered, in one word. The words are those of Sisimai, which the tools for bounces share; they are
 * found in what the server said, or else in its status code.
 */
export const BOUNCE_KINDS = [
  'userunknown',
  'hostunknown',
  'hasmoved',
  'mailboxfull',
  'suspend',
  'filtered',
  'rejected',
  'blocked',
  'badreputation',
  'spamdetected',
  'virusdetected',
  'policyviolation',
  'authfailure',
  'requireptr',
  'notcompliantrfc',
  'securityerror',
  'norelaying',
  'notaccept',
  'mesgtoobig',
  'exceedlimit',
  'contenterror',
  'syntaxerror',
  'expired',
  'networkerror',
  'speeding',
  'toomanyconn',
  'systemfull',
  'systemerror',
  'mailererror',
  'onhold',
  'delivered',
  'undefined',
] as const;

export type BounceKind = (typeof BOUNCE_KINDS)[number];

/** The first that fits decides. Linear: no pattern repeats within a repetition. */
const WORDS: [BounceKind, RegExp][] = [
  [
    'notcompliantrfc',
    /messages with multiple (?:\d{3} [\d.]+ )?addresses in from|duplicate header|rfc ?5322|rfc ?2822|not compliant|missing (?:a )?(?:valid )?(?:from|message-id|date) header/i,
  ],
  [
    'userunknown',
    /recipientnotfound|not listed in (?:public|domino)|invalid final delivery userid|no valid recipients for this|recipient address rejected: access denied|requested action not taken: mailbox unavailable|user doesn't have a/i,
  ],
  ['systemfull', /insufficient disk space/i],
  ['mailererror', /couldn't create/i],
  ['mesgtoobig', /recipsizelimit|message size exceeds limit|line limit exceeded/i],
  ['norelaying', /not configured to relay/i],
  ['requireptr', /no ptr record|requires that all .{0,60}(?:ptr|reverse)/i],
  ['mailboxfull', /quota exceeded|mailbox is full|mailbox full|mailbox exceeds allowed size|user mailbox exceeds/i],
  [
    'requireptr',
    /unverifyable sending ips|ip name lookup failed|mismatches client ip|not resolve to|name lookup failed \[/i,
  ],
  ['badreputation', /unexpected volume or user complaints/i],
  ['speeding', /receiving mail at a rate|at a rate that/i],
  ['toomanyconn', /too many recipients|frequency limited/i],
  ['networkerror', /too many hops|dns query failed|host name lookup failure|mail loop|loops? back to (?:me|myself)/i],
  [
    'expired',
    /message expired|queue\.expired|delivery failed \d+ attempts|did not (?:respond|accept our requests)|hosts have been failing|host not reachable|retry time(?:out)? (?:not reached|exceeded)|retry timeout/i,
  ],
  [
    'rejected',
    /support\.google\.com\/a\/|groups\.google|may not exist, or you may not have permission|from: domain is invalid|address that has been blacklisted|sender verify failed|sender rejected/i,
  ],
  ['suspend', /account is blocked|account .{0,20}bloqu/i],
  [
    'hostunknown',
    /\b\d{3} [\w.-]{1,250}\.[a-z]{2,24} does not exist|\(smtp\)\.\.\. 550 host unknown|unrouteable address|host (?:or domain name )?not found|account or domain may not exist|domain is not reachable/i,
  ],
  ['notaccept', /indicated no smtp service|couldn't find a mail exchanger|no mx (?:record )?found/i],
  ['securityerror', /unauthenticated senders? not allowed|<[^<>]{1,200}>\.\.\. access denied/i],
  ['policyviolation', /content presents a potential/i],
  ['spamdetected', /message content rejected|- spam\b|\bube\b|ofr_?50[69]|spam detected/i],
  [
    'blocked',
    /weren't sent\b|initial connection: .{0,120}(?:access denied|dns for)|after initial connection|\(bl\)|invalid ip for sending|not accepting connections/i,
  ],
  ['systemerror', /service currently unavailable|transaction failed/i],
  ['delivered', /(?:^|\n)\s*(?:action: delivered|relayed to mailer|successfully delivered)/i],
  [
    'requireptr',
    /reverse dns|\bptr\b|fcrdns|cannot find your hostname|cannot find your reverse hostname|client host rejected: cannot find|does not (?:appear to )?have (?:a )?(?:valid )?reverse|no reverse|unresolvable .{0,20}ip|hostname could not be resolved|ip (?:address )?lookup failed|rdns/i,
  ],
  [
    'authfailure',
    /\bdmarc\b|\bspf\b|\bdkim\b|sender policy framework|unauthenticated (?:email|mail)|authentication (?:checks|information|results)|not pass authentication|arc (?:fail|validation)/i,
  ],
  [
    'virusdetected',
    /\bvirus\b|\bmalware\b|infected|dangerous (?:attachment|content)|blocked file|executable (?:attachment|file)/i,
  ],
  ['badreputation', /reputation|senderbase|poor (?:ip|sender|domain)|bad sender/i],
  [
    'spamdetected',
    /\bspam (?:message|content|mail|detected|filter|score|likely)|(?:as|is|like|be|considered|identified|classified|detected|suspected|likely|possible|probable|looks like|probably) (?:un)?(?:solicited|spam)|spamassassin|\bjunk mail|unsolicited|bulk (?:e-?)?mail|spam (?:e-?mail|points)|rejected due to (?:spam|content)|message (?:content )?rejected.{0,20}spam|anti-?spam/i,
  ],
  [
    'blocked',
    /block(?:ed )?list|black ?list|\bdnsbl\b|\brbl\b|spamhaus|spamcop|barracuda|proofpoint|blocked (?:by|using|from|for|due|-)|is blocked|has been blocked|(?:host|client|ip|server|connection|network)s? (?:.{0,40})?(?:blocked|banned|blacklisted)|listed (?:at|in|on|by)|access (?:from .{0,40})?denied.{0,20}ip|banned (?:sending )?(?:ip|host)|dynamic(?:ally)? (?:ip|assigned)|not accept.{0,30}from (?:your )?(?:ip|dynamic)|temporarily deferred due to user complaints|client host .{0,60}rejected|bad helo|helo (?:command )?rejected|ehlo (?:command )?rejected|connections? (?:refused|rejected|dropped|not accepted)|service (?:not available|refused)/i,
  ],
  [
    'toomanyconn',
    /too many (?:concurrent |simultaneous )?(?:connections|sessions|smtp)|connection (?:rate|limit|count)|max(?:imum)? (?:number of )?connections/i,
  ],
  ['speeding', /rate limit|too (?:fast|quickly)|throttl|sending rate|message rate|slow down/i],
  [
    'exceedlimit',
    /line too long|exceeds? (?:the )?(?:maximum|limit)|message exceeded|too many recipients|too much recipients|hop ?count|too many hops/i,
  ],
  [
    'mesgtoobig',
    /message (?:is )?too (?:big|large|long)|message size|size limit|exceeds (?:the )?(?:fixed )?(?:maximum )?(?:message |allowed )?size|too (?:big|large) (?:message|mail|for)|message file too big|max(?:imum)? message (?:size|length)|larger than the (?:maximum|current)/i,
  ],
  [
    'mailboxfull',
    /mailbox (?:is |was |has been )?(?:over ?quota|full|exceed)|(?:over|exceed(?:s|ed|ing)?|out of|insufficient|not enough) (?:.{0,40})(?:quota|storage|disk ?space|mailbox size)|quota (?:is |was |has been )?(?:exceeded|violat|full|over)|full mailbox|mail ?box .{0,30}full|is over quota|overquota|\bquota\b|account (?:is )?(?:full|overdrawn)|mailfolder is full|disk full|storage limit|maximum allowed size of mailbox|mailbox size limit|user is overquota|not have enough space|recipient's mailbox is full|boîte .{0,20}pleine|postfach .{0,20}voll/i,
  ],
  [
    'systemfull',
    /system (?:is )?full|insufficient system (?:storage|resources)|mail system full|no space left|requested mail action aborted: exceeded storage/i,
  ],
  [
    'norelaying',
    /relay(?:ing)? (?:access )?(?:denied|not (?:permitted|allowed|possible)|prohibited|restriction|disabled)|unable to relay|not (?:allowed|permitted) to relay|no relaying|relay not|mail server requires authentication when|rcpthosts|we do not relay|relay denied|insecure mail relay/i,
  ],
  [
    'hasmoved',
    /has (?:been )?moved|no longer (?:works|with|at this)|address (?:has )?changed|moved to|replaced by|user has left/i,
  ],
  [
    'suspend',
    /(?:account|mailbox|user|address|recipient|domain|email) (?:.{0,60})?(?:is |has been |was )?(?:suspend|disabled|inactiv|deactivat|locked|frozen|closed|expired|on hold|terminated)|not active|inactive (?:account|user|mailbox)|temporarily (?:disabled|locked)|mailbox currently|recipient suspended|disabled (?:account|mailbox|user)|vacation and/i,
  ],
  [
    'userunknown',
    /(?:user|recipient|mailbox|account|address|e-?mail|alias|addressee|mail ?drop|name) (?:.{0,80})?(?:unknown|not (?:found|known|exist|valid|listed|recogni[sz]ed|here|available|a known|a valid|be found|have an? .{0,30}account|match|in (?:our )?(?:directory|database|table))|does ?n[o']t (?:exist|have)|do not exist|doesn't exist|invalid|undeliverable|nonexist|non-exist|unrouteable|couldn't be found|could not be found|wasn't found|was not found|rejected: (?:user|undeliv|address))|(?:unknown|no such|invalid|nonexist\w*|non-existent|unrouteable|bad|illegal|undeliverable|unrecogni[sz]ed|no) (?:local |virtual |e-?mail |final |mail |destination )?(?:user|recipient|mailbox|account|address(?!es)|alias|person|name|addressee|mail drop|domain user|entry)|no (?:mailbox|account|user|one) (?:.{0,20})?(?:here|by that name|with)|not (?:a )?(?:valid|our|local) (?:user|mailbox|recipient|customer|account)|can't find .{0,40}(?:user|recipient|mailbox)|unable to (?:find|verify) (?:.{0,30})?(?:user|recipient|mailbox|address)|not our customer|not listed in (?:public )?name|550 5\.1\.1|isn't (?:a )?(?:valid|known)|adresse .{0,30}(?:inconnu|inexistant)|unbekannt|utente sconosciuto|usuario desconocido|destinatario .{0,30}(?:sconosciuto|desconocido)|宛先不明|そのような受信者|お客様のメールアドレス|受信者/i,
  ],
  [
    'hostunknown',
    /(?:host|domain|server|site|destination|name|mx|hostname)(?: name)? (?:.{0,60})?(?:unknown|not (?:found|known|exist|resolve|be found|valid)|does ?n[o']t exist|doesn't exist|no such|nonexist|unrouteable|lookup failed|could not be found|couldn't be found|invalid|must exist)|(?:unknown|no such|unrouteable|bad|invalid|unresolvable|illegal) (?:mail )?(?:host|domain|destination|server)|name or service not known|no address associated|nxdomain|dns (?:error|failure|server returned)|domain .{0,40}(?:not exist|name not found)|no (?:mx|dns|a) record|host or domain name not found|all relevant mx|cannot (?:find|resolve|route)|recipient'?s? domain/i,
  ],
  [
    'notaccept',
    /not accept(?:ing)? (?:any )?(?:e-?mail|mail|messages)|does not (?:accept|receive) (?:any )?mail|smtp (?:protocol )?(?:returned|server) .{0,30}(?:no|not) accept|host\/domain does not accept|null ?mx|mx (?:is|points to) null|does not accept mail|521 /i,
  ],
  [
    'rejected',
    /sender (?:.{0,60})?(?:rejected|denied|refused|invalid|unknown|not (?:allowed|accepted|verified|exist)|verify failed)|from (?:address|domain|header) (?:.{0,60})?(?:rejected|denied|not)|(?:rejected|denied|refused|invalid|blocked|unverified|unrouteable|bad) (?:sender|from|return path)|sender address|access denied|mail from|return(?:ed)? path|envelope sender|backscatter|domain of sender|you are not (?:allowed|authorized)/i,
  ],
  ['policyviolation', /polic(?:y|ies)|not allowed|prohibited|denied by|violat|because (?:.{0,30})restrict|restricted/i],
  [
    'securityerror',
    /security|starttls|\btls\b|\bssl\b|must issue|certificate|authentication (?:required|failed|turned)|not authenticated|authorization failed|auth fail|\bauth\b/i,
  ],
  [
    'contenterror',
    /content (?:.{0,30})?(?:error|invalid|not|malformed|format)|malformed|mime|8-?bit|invalid (?:format|message)|header (?:error|is)|attachment|improper/i,
  ],
  [
    'filtered',
    /filter|user reject|recipient refus|unwanted|address rejected|recipient (?:address )?rejected|rejected by (?:the )?recipient|due to extended inactivity|not want|permanently rejected|refused(?: by)?|domain filter|受信拒否/i,
  ],
  [
    'expired',
    /timed? ?out|time-?out|expired|delay|deferred|retry (?:time|limit|timeout)|could not be delivered (?:for|within)|not (?:been )?delivered (?:for|within|after|in)|gave up|giving up|queue (?:time|too long)|too long in (?:the )?queue|been (?:in the queue|undeliverable)|delivery time|will (?:be )?(?:retr|keep trying|continue)|still being retried|max(?:imum)? (?:time|retries|age)|hours|days/i,
  ],
  [
    'networkerror',
    /network|connection (?:.{0,40})?(?:lost|reset|closed|timed|fail|unsuccess|broken|aborted)|connect(?:ion)? (?:to .{0,60})?(?:failed|refused)|unreachable|no route|loop|dns (?:timeout|soft|server)|mail loop|routing|cannot connect|couldn't (?:connect|find any host)|lost connection|broken pipe/i,
  ],
  [
    'mailererror',
    /mailer error|exit(?:ed)? (?:with )?(?:status|code|value)|command (?:died|failed|output|line)|unexpected mailer|x-unix|pipe to|local delivery failed|procmail|sieve|child|unknown mailer/i,
  ],
  [
    'syntaxerror',
    /syntax error|bad (?:sequence|command)|command not (?:recogni[sz]ed|implemented)|unrecogni[sz]ed command|parameter|argument|invalid command/i,
  ],
  [
    'systemerror',
    /system (?:.{0,20})?(?:error|config|problem|failure)|config(?:uration)? (?:error|problem)|internal (?:.{0,20})?error|server (?:.{0,20})?(?:error|problem)|local (?:.{0,20})?(?:error|problem|config)|error in processing|can't create|cannot (?:open|create|write|allocate|append)|unable to|i\/o error|temporar(?:y|ily)|out of (?:memory|resources)|not available|try again|aliasing|include|\bbug\b/i,
  ],
];

/** By status code, where the words say nothing (RFC 3463, and what servers make of it). Subject and detail first. */
const CODES: Record<string, BounceKind> = {
  '1.0': 'userunknown',
  '1.1': 'userunknown',
  '1.2': 'hostunknown',
  '1.3': 'userunknown',
  '1.4': 'filtered',
  '1.6': 'hasmoved',
  '1.7': 'rejected',
  '1.8': 'rejected',
  '1.9': 'systemerror',
  '1.10': 'notaccept',
  '2.0': 'filtered',
  '2.1': 'suspend',
  '2.2': 'mailboxfull',
  '2.3': 'exceedlimit',
  '2.4': 'filtered',
  '3.0': 'systemerror',
  '3.1': 'systemfull',
  '3.2': 'notaccept',
  '3.3': 'systemerror',
  '3.4': 'mesgtoobig',
  '3.5': 'systemerror',
  '4.0': 'networkerror',
  '4.1': 'expired',
  '4.2': 'networkerror',
  '4.3': 'networkerror',
  '4.4': 'hostunknown',
  '4.5': 'systemerror',
  '4.6': 'networkerror',
  '4.7': 'expired',
  '4.8': 'expired',
  '4.9': 'expired',
  '5.0': 'syntaxerror',
  '5.1': 'syntaxerror',
  '5.2': 'syntaxerror',
  '5.3': 'syntaxerror',
  '5.4': 'syntaxerror',
  '5.5': 'syntaxerror',
  '6.0': 'contenterror',
  '6.1': 'contenterror',
  '6.2': 'contenterror',
  '6.3': 'contenterror',
  '6.5': 'contenterror',
  '6.9': 'contenterror',
  '7.0': 'securityerror',
  '7.1': 'rejected',
  '7.2': 'policyviolation',
  '7.3': 'securityerror',
  '7.4': 'securityerror',
  '7.5': 'securityerror',
  '7.6': 'securityerror',
  '7.7': 'securityerror',
  '7.8': 'securityerror',
  '7.9': 'policyviolation',
  '7.13': 'suspend',
  '7.20': 'authfailure',
  '7.21': 'authfailure',
  '7.22': 'authfailure',
  '7.23': 'authfailure',
  '7.24': 'authfailure',
  '7.25': 'requireptr',
  '7.26': 'authfailure',
  '7.27': 'notaccept',
};

/** Codes that servers use exactly: they go before the words. */
const EXACT = new Set([
  '1.1',
  '1.2',
  '1.6',
  '1.7',
  '1.8',
  '2.2',
  '2.3',
  '3.4',
  '4.6',
  '7.9',
  '7.20',
  '7.23',
  '7.25',
  '7.26',
  '7.27',
]);

/** Words that are more to be believed than an exact code. */
const CONTRADICTIONS = /over ?quota|recipsizelimit|couldn't create/i;

/**
 * @param status enhanced status code or null
 * @param words what was said of this recipient
 * @param around the rest of the report: the dialogue, for one
 */
export function bounceKindOf(status: string | null, words: string, around: string): BounceKind {
  const detail = status?.slice(2) ?? '';
  if (status?.startsWith('2')) return 'delivered';
  const exact = EXACT.has(detail) && !CONTRADICTIONS.test(words) ? CODES[detail]! : null;
  const kind = exact ?? WORDS.find(([, pattern]) => pattern.test(words))?.[0] ?? CODES[detail] ?? 'undefined';
  return exact === null && kind === 'userunknown' && refusedAfterwards(status, words, around) ? 'filtered' : kind;
}

/** A recipient that was accepted first and refused with the mail exists: something else did not want the mail. */
function refusedAfterwards(status: string | null, words: string, around: string): boolean {
  if (/\bRCPT[ _]TO|RCPT command/.test(words)) return false;
  if (/end of DATA|reply to (?:end of )?DATA/i.test(words)) return true;
  if (/>>> (?:DATA|\.)|SMTP command DATA/.test(around) && !/>>> RCPT/.test(around)) return true;
  // so say Japanese carriers of mail that the recipient's filter does not want
  if (/^\s*550 (?:\d\.\d\.\d )?(?:: user unknown|unknown user )/i.test(words)) return true;
  return status?.startsWith('5.7.') === true && /user unknown/i.test(words);
}

const HARD: BounceKind[] = ['userunknown', 'hostunknown', 'hasmoved', 'notaccept'];

export function isHard(kind: BounceKind, status: string | null): boolean {
  return HARD.includes(kind) && !status?.startsWith('4');
}
