import { decodeBytes, decodeUndeclared } from './charset.js';

const SINGLE_BYTES = /^(?:windows|iso|koi8)-/;
const tables = new Map<string, Map<string, number[]>>();

/** Nothing here encodes old charsets, so it is done by decoding all that there is of one. */
function inCharset(charset: string, text: string): Buffer {
  const table = tables.get(charset) ?? tableOf(charset);
  tables.set(charset, table);
  return Buffer.from([...text].flatMap((character) => table.get(character)!));
}

function tableOf(charset: string): Map<string, number[]> {
  const decoder = new TextDecoder(charset);
  const table = new Map<string, number[]>();
  const learn = (bytes: number[]) => {
    const decoded = decoder.decode(Uint8Array.from(bytes));
    if ([...decoded].length === 1 && !table.has(decoded)) table.set(decoded, bytes);
  };
  for (let byte = 0; byte < 256; byte++) learn([byte]);
  if (SINGLE_BYTES.test(charset)) return table;
  for (let lead = 0x81; lead < 0xff; lead++) for (let trail = 0x40; trail < 0xff; trail++) learn([lead, trail]);
  return table;
}

const TEXTS: Record<string, string[]> = {
  'windows-1252': [
    'Grüße',
    'Köln',
    'Café',
    'ÜBERWEISUNG FEHLGESCHLAGEN',
    'Größe XÄÖÜ',
    'Çà et là',
    'It’s “fine” – 100 €',
    '¿Qué pasó, señor?',
    'São Paulo não está',
    'Ærø smørrebrød',
    '½ Preis bei 20 °C',
  ],
  'windows-1251': ['Привет', 'Вопрос по заказу №15', 'НЕ РАБОТАЕТ ПРИНТЕР', 'Отчет за май.doc', 'Добрий день'],
  'koi8-r': ['Привет', 'Ответ на запрос', 'НЕ РАБОТАЕТ ПРИНТЕР', 'Отчет за май.doc'],
  gb18030: ['你好', '退信', '关于发票的问题', '订单号 12345 没有收到', 'Re: 回复'],
  big5: ['您好，請問訂單', '請問如何重設密碼', '測試郵件'],
  shift_jis: ['テスト', '日本語', 'お問い合わせ', '請求書.pdf', 'Re: 見積もりについて'],
  'euc-jp': ['注文の件', 'お問い合わせ', 'Re: 見積もりについて'],
  'euc-kr': ['안녕하세요', '견적서 요청', '비밀번호 재설정'],
  'windows-1250': ['Łódź', 'Jak zresetować hasło?', 'Příliš žluťoučký kůň'],
  'iso-8859-2': ['Dziękuję za szybką odpowiedź'],
  'windows-1253': ['Καλημέρα σας, έχω ένα πρόβλημα'],
  'windows-1254': ['Siparişiniz hakkında bilgi'],
  'windows-1255': ['שלום'],
  'windows-1256': ['مرحبا لدي مشكلة'],
  'windows-874': ['สวัสดีครับ'],
};

describe('the charset of undeclared bytes', () => {
  it.each(Object.entries(TEXTS))('%s', (charset, texts) => {
    for (const text of texts) {
      expect(decodeBytes(inCharset(charset, text), null)).toEqual({ text, guessed: true });
      // however wrong the name
      expect(decodeBytes(inCharset(charset, text), 'us-ascii').text).toBe(text);
      expect(decodeBytes(inCharset(charset, text), 'utf-8').text).toBe(text);
    }
  });

  it('is the one that is named near by, where the bytes alone do not tell', () => {
    const bytes = inCharset('windows-1250', 'můj počítač');
    expect(decodeUndeclared(bytes, 'windows-1250').text).toBe('můj počítač');
    expect(decodeUndeclared(bytes, 'x-nonsense').text).not.toContain('\ufffd');
  });

  it('is not what is named near by against all appearance', () => {
    const bytes = inCharset('gb18030', '请问如何重置密码，我的订单没有收到');
    expect(decodeUndeclared(bytes, 'koi8-r').text).toBe('请问如何重置密码，我的订单没有收到');
  });

  it('is found in a long text by its beginning, quickly', () => {
    const bytes = Buffer.concat([Buffer.from('plain text\n'.repeat(2000)), inCharset('koi8-r', 'Привет\n')]);
    const long = Buffer.concat(Array.from({ length: 200 }, () => bytes));
    const started = performance.now();
    const { text } = decodeBytes(long, null);
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(text.match(/Привет/g)).toHaveLength(200);
  });

  it('does not touch what is UTF-8', () => {
    for (const text of ['联通', 'Привет', 'É¡', '你好']) expect(decodeBytes(Buffer.from(text), null).text).toBe(text);
  });
});
