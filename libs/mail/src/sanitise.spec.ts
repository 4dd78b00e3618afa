import { htmlToText, textToHtml } from './html-text.js';
import { deeperThan, sanitiseHtml } from './sanitise.js';

const LIMITS = { htmlLength: 500_000, htmlDepth: 300 };
const clean = (html: string) => sanitiseHtml(html, LIMITS).html;

describe('sanitised HTML', () => {
  it.each([
    ['<p onclick="x()">a</p>', '<p>a</p>'],
    ['<script>x</script><style>p{}</style>a', 'a'],
    ['<a href="javascript:x()">a</a>', '<a>a</a>'],
    ['<a href=" java\nscript:x()">a</a>', '<a>a</a>'],
    ['<a href="//evil.example">a</a>', '<a>a</a>'],
    ['<a href="data:text/html,x">a</a>', '<a>a</a>'],
    ['<form action="x"><input name="a"><button>go</button></form>', 'go'],
    ['<iframe src="x">in</iframe><object data="x">o</object><embed src="x">', ''],
    ['<svg><script>x</script></svg><math><mi>x</mi></math>', ''],
    ['<base href="x"><meta http-equiv="refresh" content="0"><link rel="stylesheet" href="x">', ''],
    ['<p style="color:red;position:fixed;background:url(x)">a</p>', '<p style="color:red">a</p>'],
    ['<p style="color:expression(x)">a</p>', '<p>a</p>'],
    ['<p style="color:r\\65 d">a</p>', '<p>a</p>'],
    ['<img src="x.png">', '<img />'],
    ['<img src="data:image/svg+xml;base64,AAAA">', '<img />'],
    ['<img src="data:image/png;base64,AAAA">', '<img src="data:image/png;base64,AAAA" />'],
    ['<img src="cid:a@b" alt="A">', '<img src="cid:a@b" alt="A" />'],
    ['<img srcset="https://t.example/x 2x">', '<img />'],
    ['<noscript><p title="</noscript><img src=x onerror=x()>">', ''],
    ['<p>1 < 2 & 3</p>', '<p>1 &lt; 2 &amp; 3</p>'],
  ])('%j becomes %j', (html, expected) => {
    expect(clean(html)).toBe(expected);
  });

  it('opens links elsewhere and tells nobody', () => {
    expect(clean('<a href="https://example.com" target="_top" rel="opener">a</a>')).toBe(
      '<a href="https://example.com" rel="nofollow noreferrer noopener" target="_blank">a</a>',
    );
  });

  it('fetches no remote picture by itself', () => {
    const html = clean('<img src="https://track.example/p.gif?u=1" width="1" data-remote-src="https://other.example">');
    expect(html).toContain('data-remote-src="https://track.example/p.gif?u=1"');
    expect(html).not.toMatch(/ src=/);
  });

  it('is given up when too long or too deep', () => {
    expect(sanitiseHtml('x'.repeat(11), { ...LIMITS, htmlLength: 10 })).toEqual({
      html: null,
      reason: 'html-over-limit',
    });
    const started = performance.now();
    const deep = '<b>'.repeat(200_000);
    expect(sanitiseHtml(deep, { ...LIMITS, htmlLength: 1e6 })).toEqual({ html: null, reason: 'html-too-deep' });
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('of 5,000 links is quick', () => {
    const started = performance.now();
    const html = clean('<a href="https://example.com/x">x</a> '.repeat(5000)) ?? '';
    expect(html.split('noopener').length - 1).toBe(5000);
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe('depth', () => {
  it('is that of a forgiving parser', () => {
    expect(deeperThan('<div>'.repeat(10), 9)).toBe(true);
    expect(deeperThan('<div>'.repeat(10), 10)).toBe(false);
    expect(deeperThan('<td><font>x</td>'.repeat(1000), 5)).toBe(false);
    expect(deeperThan('<p>x<br><li>y'.repeat(1000), 5)).toBe(true);
    expect(deeperThan('<li>x'.repeat(1000), 5)).toBe(false);
    expect(deeperThan('</div>'.repeat(1000), 5)).toBe(false);
  });
});

describe('HTML to text', () => {
  const text = (html: string) => htmlToText(html, 10_000);

  it.each([
    ['<p>a</p><p>b</p>', 'a\n\nb'],
    ['a<br>b<br><br>c', 'a\nb\n\nc'],
    ['<div>a</div><div><br></div><div>b</div>', 'a\n\nb'],
    ['a   \n b', 'a b'],
    ['<b>a</b><i>b</i> <u>c</u>', 'ab c'],
    ['<ul><li>one</li><li>two</li></ul>x', '- one\n- two\nx'],
    ['<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>', 'a b\nc'],
    ['<blockquote><p>q1</p><p>q2</p><blockquote>r</blockquote></blockquote>a', '> q1\n>\n> q2\n>>\n>> r\n\na'],
    ['<a href="https://x.example/a">here</a>.', 'here <https://x.example/a>.'],
    ['<a href="https://x.example/">https://x.example/</a>', 'https://x.example/'],
    ['<a href="mailto:a@b.example">a@b.example</a>', 'a@b.example'],
    ['<pre>a  b\n  c</pre>d', 'a  b\n  c\n\nd'],
    ['<style>p{}</style><script>"</p>"</script><!-- no --><title>t</title>a', 'a'],
    ['&lt;b&gt; &amp;amp; &auml;&#8364;&#x1F600;&#150;&nope; &nbsp;x', '<b> &amp; ä€😀–&nope; x'],
    ['1 < 2 <3', '1 < 2 <3'],
    ['<img src="x" alt="Logo"> a', '[Logo] a'],
    ['<p title="a > b">c</p>', 'c'],
    ['<a href="unclosed>a</a> b', 'a b'],
    ['<p', ''],
    ['', ''],
  ])('%j is %j', (html, expected) => {
    expect(text(html)).toBe(expected);
  });

  it('stops at the length', () => {
    expect(htmlToText('abc '.repeat(1000), 10)).toBe('abc abc ab');
  });

  it.each([
    ['words and markup', '<p class="x">Hello <b>world</b> &amp; all</p>\n'],
    ['tags only', '<div><span></span></div>'],
    ['unclosed tags', '<a href="'],
    ['unclosed comments', '<!-- <!'],
    ['unclosed titles', '<title><svg><template>'],
    ['open brackets', '<<<<<<<<'],
    ['ampersands', '&#&&#x'],
    ['blanks', '          '],
    ['quotes', '<blockquote>a'],
    ['links', '<a href="https://x.example">'],
  ])('takes 19 MB of %s in about a second', (_name, unit) => {
    const html = unit.repeat(Math.ceil((19 * 1024 * 1024) / unit.length));
    const started = performance.now();
    const length = htmlToText(html, 500_000).length;
    expect(performance.now() - started).toBeLessThan(5_000);
    expect(length).toBeLessThanOrEqual(500_000);
  });
});

describe('text to HTML', () => {
  it('escapes everything and makes paragraphs and links', () => {
    expect(textToHtml('Hi <b>\n"x" & y\n\nSee https://x.example/?a=1&b="2".\n\n\n\njavascript:x')).toBe(
      '<p>Hi &lt;b&gt;<br>\n&quot;x&quot; &amp; y</p>\n' +
        '<p>See <a href="https://x.example/?a=1&amp;b=">https://x.example/?a=1&amp;b=</a>&quot;2&quot;.</p>\n' +
        '<p>javascript:x</p>',
    );
  });

  it('leaves the full stop behind a link alone', () => {
    expect(textToHtml('(https://x.example/a).')).toBe(
      '<p>(<a href="https://x.example/a">https://x.example/a</a>).</p>',
    );
  });
});
