import { contentDisposition, downloadHeaders, harmlessType } from './download.js';

it.each([
  ['report.pdf', 'attachment; filename="report.pdf"'],
  ['Zürich Plan.pdf', `attachment; filename="Z_rich Plan.pdf"; filename*=UTF-8''Z%C3%BCrich%20Plan.pdf`],
  ['../../etc/passwd', 'attachment; filename="passwd"'],
  ['..\\..\\evil "name".html', `attachment; filename="evil _name_.html"; filename*=UTF-8''evil%20%22name%22.html`],
  ['.htaccess', 'attachment; filename="htaccess"'],
  ['100%.txt', `attachment; filename="100_.txt"; filename*=UTF-8''100%25.txt`],
  ["it's (1).txt", `attachment; filename="it's (1).txt"`],
  ['a\r\nSet-Cookie: x=1.txt', 'attachment; filename="aSet-Cookie: x=1.txt"'],
  ['gpj.\u202eexe', 'attachment; filename="gpj.exe"'],
  ['\ud83d.txt', `attachment; filename="_.txt"; filename*=UTF-8''%EF%BF%BD.txt`],
  ['📎', `attachment; filename="_"; filename*=UTF-8''%F0%9F%93%8E`],
  ['', 'attachment; filename="file"'],
  ['...', 'attachment; filename="file"'],
])('%j', (name, header) => {
  expect(contentDisposition(name)).toBe(header);
});

it('cuts an endless name without cutting a character', () => {
  expect(contentDisposition('📎'.repeat(1000))).toContain(`UTF-8''${'%F0%9F%93%8E'.repeat(200)}`);
});

it.each([
  ['image/png', 'image/png'],
  ['Image/PNG; name="x"', 'image/png'],
  ['text/plain; charset=latin1', 'text/plain'],
  ['text/html', 'application/octet-stream'],
  ['image/svg+xml', 'application/octet-stream'],
  ['text/plain\r\nx: y', 'application/octet-stream'],
  ['', 'application/octet-stream'],
])('serves %j as %s', (type, served) => {
  expect(harmlessType(type)).toBe(served);
});

it('never lets a browser run what a stranger sent', () => {
  expect(downloadHeaders({ name: 'a.html', type: 'text/html', size: 5 })).toEqual({
    'content-type': 'application/octet-stream',
    'content-length': '5',
    'content-disposition': 'attachment; filename="a.html"',
    'content-security-policy': "sandbox; default-src 'none'",
    'x-content-type-options': 'nosniff',
  });
});
