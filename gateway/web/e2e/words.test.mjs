// Message texts and user names, in a browser on an in-memory server.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { address, inRoom, openDemo, shareDemo } from './demo.mjs';
import { bubbles, say, until } from './support.mjs';

shareDemo();

const closed = async (page) => {
  assert.deepEqual(page.complaints, []);
  await page.context().close();
};
const lastBody = (page) => page.evaluate(() => [...globalThis.demo.server.rooms.values()].flatMap(({ messages }) => messages).sort((a, b) => a.seq - b.seq).at(-1).body);
/** Calls the in-memory server on the room with a title; returns a seq. */
const onServer = (page, title, verb, ...values) =>
  page.evaluate(([name, method, given]) => {
    const { server } = globalThis.demo;
    const isIt = ({ room }) => (room.name ?? room.members.map(({ displayName }) => displayName).join()).includes(name);
    const { room } = [...server.rooms.values()].find((each) => isIt(each));
    return server[method](room.roomId, ...given).seq;
  }, [title, verb, values]);

describe('names', () => {
  test('names replace ids in the field, the preview and the clipboard; ids are sent', async () => {
    const page = await inRoom('Launch week');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    const field = page.locator('textarea');
    await field.pressSequentially('Thanks @mi');
    await field.press('Enter');
    assert.equal(await field.inputValue(), 'Thanks @Minsu Kim ');
    await field.pressSequentially('and @yuna');
    await field.press('Enter');
    await field.pressSequentially('`@yuna`');
    const draft = 'Thanks @Minsu Kim and @Yuna Park `@yuna`';
    const shown = draft.replaceAll('`', '');
    await page.locator('.room', { hasText: 'Claim 2291' }).click();
    await page.locator('.room .draft').waitFor();
    assert.ok((await page.locator('.room', { hasText: 'Launch week' }).textContent()).includes(shown), 'the draft in the list');
    await page.locator('.room', { hasText: 'Launch week' }).click();
    await until(async () => (await field.inputValue()) === draft, 'the draft in the field');
    await field.press('Enter');
    await until(async () => (await bubbles(page)).at(-1) === shown, 'the message');
    assert.equal(await lastBody(page), 'Thanks @minsu and @yuna `@yuna`');
    await page.locator('.room .preview', { hasText: `You: ${shown}` }).waitFor();
    assert.deepEqual(await page.locator('.message').last().locator('.mention').allTextContents(), ['@Minsu Kim', '@Yuna Park']);
    await page.locator('.message').last().hover();
    await page.getByRole('button', { name: 'Copy text' }).click();
    await until(async () => (await page.evaluate(() => navigator.clipboard.readText())) === draft, 'the copied text');
    await field.press('ArrowUp');
    await until(async () => (await field.inputValue()) === draft, 'the text to edit');
    await field.press('End');
    await field.pressSequentially('!');
    await field.press('Enter');
    await until(async () => (await lastBody(page)) === 'Thanks @minsu and @yuna `@yuna`!', 'the edit has ids');
    await closed(page);
  });

  for (const [width, height] of [[390, 844], [1280, 800]]) {
    test(`names of any length fit a screen of ${width} px`, async () => {
      const page = await openDemo({ width, height });
      const long = 'Wolfeschlegelsteinhausenbergerdorff'.repeat(4);
      await page.locator('.room').first().waitFor();
      await page.evaluate((name) => {
        const { server, hub } = globalThis.demo;
        server.person('long', name);
        const room = server.addRoom('group', ['long', 'jiwoo', 'minsu'], `${name} and others`);
        hub.emit('RoomAdded', { room: structuredClone(room) });
        const first = server.say(room.roomId, 'long', 'Good morning, everybody, this is a message to answer');
        server.say(room.roomId, 'minsu', `@long ${name}`, { replyTo: first.seq });
        globalThis.longRoom = room.roomId;
      }, long);
      const fits = async (what) => {
        const wide = await page.evaluate(() => {
          const beyond = (element) => element.getBoundingClientRect().right > innerWidth + 1 && element.getBoundingClientRect().width > 0;
          const overflowing = [...document.querySelectorAll('body *')].filter((element) => beyond(element) && getComputedStyle(element).position !== 'absolute');
          const hidden = overflowing.filter((element) => !element.closest('.visually-hidden, [hidden]') && !ellipsed(element));
          function ellipsed(element) {
            for (let each = element.parentElement; each; each = each.parentElement) if (getComputedStyle(each).textOverflow === 'ellipsis') return true;
            return false;
          }
          return hidden.map((element) => `${element.tagName}.${element.className}`);
        });
        assert.deepEqual(wide, [], what);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${what} is too wide`);
      };
      await page.locator('.room', { hasText: 'Wolfe' }).first().waitFor();
      await fits('the list');
      await page.locator('.room', { hasText: 'and others' }).click();
      await page.locator('.bubble').nth(1).waitFor();
      await page.evaluate(() => globalThis.demo.hub.emit('Typing', { roomId: globalThis.longRoom, userId: 'long', typing: true }));
      await page.locator('.typing-line span').first().waitFor();
      await fits('a conversation');
      assert.ok((await page.locator('.sender').first().boundingBox()).height < 30, 'a sender is one line');
      assert.ok((await page.locator('.typing-line').boundingBox()).height < 30, 'who types is one line');
      await page.locator('textarea').fill('@');
      await page.locator('.mentions li').first().waitFor();
      await fits('mentions');
      await page.locator('textarea').fill('');
      assert.ok((await page.locator('textarea').boundingBox()).height < 60, 'the field is one line');
      await page.locator('.message').first().hover();
      await page.locator('.message').first().getByRole('button', { name: 'Reply' }).click();
      await page.locator('.context').waitFor();
      await fits('a reply');
      await page.getByRole('button', { name: 'Details' }).click();
      await page.locator('.members li').first().waitFor();
      await fits('details');
      if (width < 720) {
        await page.locator('.details').getByRole('button', { name: 'Close' }).click();
        await page.getByRole('button', { name: 'Back to the list' }).click();
      }
      await page.getByRole('button', { name: 'New chat' }).click();
      const people = page.locator('dialog[open] input[role=combobox]');
      await people.fill('long');
      await page.locator('dialog[open] [role=option]', { hasText: 'Wolfe' }).first().waitFor();
      await fits('new chat');
      await people.press('Enter');
      await page.locator('.chip', { hasText: 'Wolfe' }).waitFor();
      await fits('a chosen person');
      await closed(page);
    });
  }
});

describe('copies', () => {
  test('copies of a message follow its edits and its delete: quote, reply, edit, hit, preview', async () => {
    const page = await inRoom('Daniel Okafor');
    const seq = await page.evaluate(() => [...globalThis.demo.server.rooms.values()].flatMap(({ messages }) => messages).find(({ body }) => body === 'Measurement 7: all within limits.').seq);
    await onServer(page, 'Daniel', 'say', 'daniel', 'as I said', { replyTo: seq });
    const quote = page.locator('.message').last().locator('.quote');
    await until(async () => (await quote.textContent()).includes('Measurement 7'), 'the quote is read');
    assert.equal(await page.locator(`[data-seq="${seq}"]`).count(), 0, 'what it quotes is outside of the window');
    await onServer(page, 'Daniel', 'edit', seq, { body: 'Measurement 7: @minsu and @jiwoo, look' });
    await until(async () => (await quote.textContent()).includes('Measurement 7: @minsu and @Jiwoo Han, look'), 'the quote is edited, with the names of those who are mentioned');
    await page.getByRole('searchbox').fill('Measurement 7:');
    const hit = page.locator('.hit').first();
    await until(async () => (await hit.textContent()).includes('@Jiwoo Han, look'), 'the hit, with names');
    await onServer(page, 'Daniel', 'edit', seq, { body: 'Measurement 7: edited again' });
    await until(async () => (await hit.textContent()).includes('edited again'), 'the hit is edited');
    await onServer(page, 'Daniel', 'edit', seq, { deleted: true });
    await until(async () => (await page.locator('.hit').count()) === 0, 'the hit is gone');
    await until(async () => (await quote.textContent()).includes('This message was deleted.'), 'the quote is deleted');
    await page.getByRole('searchbox').fill('');

    const last = await onServer(page, 'Daniel', 'say', 'daniel', 'the last word');
    await until(async () => (await bubbles(page)).at(-1) === 'the last word', 'the last word');
    await page.locator('.message').last().hover();
    await page.locator('.message').last().getByRole('button', { name: 'Reply' }).click();
    await onServer(page, 'Daniel', 'edit', last, { body: 'the last word, @jiwoo' });
    await page.locator('.context', { hasText: 'the last word, @Jiwoo Han' }).waitFor();
    await page.locator('.room .preview', { hasText: 'the last word, @Jiwoo Han' }).waitFor();
    await onServer(page, 'Daniel', 'edit', last, { deleted: true });
    await page.locator('.context', { hasText: 'Message deleted' }).waitFor();
    await page.locator('.room .preview', { hasText: 'Message deleted' }).waitFor();
    await page.locator('.context').getByRole('button', { name: 'Cancel' }).click();

    await say(page, 'my word');
    await until(async () => (await bubbles(page)).at(-1) === 'my word', 'one of my own');
    await page.locator('textarea').press('ArrowUp');
    await until(async () => (await page.locator('textarea').inputValue()) === 'my word', 'the text to edit');
    await page.locator('textarea').fill('my other word');
    const own = await page.evaluate(() => [...globalThis.demo.server.rooms.values()].flatMap(({ messages }) => messages).find(({ body }) => body === 'my word').seq);
    await onServer(page, 'Daniel', 'edit', own, { deleted: true });
    await page.getByText('The message was deleted meanwhile. Your text is still here.').first().waitFor();
    assert.equal(await page.locator('.context').count(), 0, 'nothing is edited any more');
    assert.equal(await page.locator('textarea').inputValue(), 'my other word');

    // An edit that is lost joins what was being written.
    await page.locator('textarea').fill('');
    await say(page, 'my word again');
    await until(async () => (await bubbles(page)).at(-1) === 'my word again', 'one more of my own');
    await page.locator('textarea').fill('half a thought');
    await page.locator('.message').last().hover();
    await page.locator('.message').last().getByRole('button', { name: 'Edit' }).click();
    await until(async () => (await page.locator('textarea').inputValue()) === 'my word again', 'the text to edit');
    await page.locator('textarea').fill('my better word');
    const again = await page.evaluate(() => [...globalThis.demo.server.rooms.values()].flatMap(({ messages }) => messages).find(({ body }) => body === 'my word again').seq);
    await onServer(page, 'Daniel', 'edit', again, { deleted: true });
    await until(async () => (await page.locator('textarea').inputValue()) === 'half a thought\nmy better word', 'both texts are there');
    await closed(page);
  });
});

describe('texts', () => {
  test('links end where they should', async () => {
    const page = await inRoom('Minsu Kim');
    await say(page, '(https://example.org/a_(b))를, WWW.example.org/한국어/길. help@example.org로 `https://example.org/no` HTTPS://example.org/@minsu');
    const links = page.locator('.message').last().locator('.text a');
    await until(async () => (await links.count()) === 4, 'four links');
    assert.deepEqual(await links.evaluateAll((all) => all.map((link) => link.getAttribute('href'))), [
      'https://example.org/a_(b)', 'https://WWW.example.org/한국어/길', 'mailto:help@example.org', 'HTTPS://example.org/@minsu',
    ]);
    assert.equal(await page.locator('.message').last().locator('.mention').count(), 0, 'nobody is mentioned in an address');
    await closed(page);
  });

  test('texts of only emoji are large, including flags and keycaps', async () => {
    const page = await inRoom('Minsu Kim');
    const sizeOf = async (text) => {
      await say(page, text);
      await until(async () => (await bubbles(page)).at(-1) === text, text);
      return page.locator('.bubble .text').last().evaluate((element) => parseFloat(getComputedStyle(element).fontSize));
    };
    const plain = await sizeOf('12');
    for (const text of ['🇰🇷', '1️⃣2️⃣', '👩‍👩‍👧 👍🏽']) assert.ok((await sizeOf(text)) > plain * 2, text);
    await closed(page);
  });

  test('texts have their own direction, and break as their language does', async () => {
    for (const lang of ['en', 'ko']) {
      const page = await inRoom(lang === 'en' ? 'Minsu Kim' : '김민수', { lang });
      const styleOf = async (text) => {
        await say(page, text);
        await until(async () => (await bubbles(page)).at(-1) === text, text);
        return page.locator('.bubble').last().evaluate((bubble) => {
          const text = getComputedStyle(bubble.querySelector('.text'));
          return [getComputedStyle(bubble).direction, text.wordBreak];
        });
      };
      assert.deepEqual(await styleOf('שלום, world'), ['rtl', 'normal']);
      assert.deepEqual(await styleOf('안녕하세요 world'), ['ltr', 'keep-all']);
      assert.deepEqual(await styleOf('日本語のとても長い文章'), ['ltr', 'normal']);
      assert.deepEqual(await styleOf('hello'), ['ltr', 'normal']);
      await closed(page);
    }
  });

  test('a right-to-left name does not disturb the line around it', async () => {
    const page = await inRoom('Launch week');
    await page.evaluate(() => {
      const { server } = globalThis.demo;
      const [roomId] = server.rooms.keys();
      server.person('dana', 'דנה 7');
      server.change(roomId, 'membersAdded', (room) => room.members.push(server.member('dana')));
      server.say(roomId, 'dana', '12 are here');
    });
    const preview = page.locator('.room', { hasText: 'Launch week' }).locator('.preview');
    await until(async () => (await preview.textContent()).includes('12 are here'), 'the preview');
    assert.equal((await preview.textContent()).trim(), '\u2068דנה 7\u2069: 12 are here');
    assert.equal(await page.locator('.sender', { hasText: 'דנה' }).evaluate((element) => getComputedStyle(element).direction), 'rtl');
    await closed(page);
  });
});

test('day labels change at midnight, on a page that stays open', async () => {
  const page = await openDemo();
  await page.clock.install({ time: new Date(2026, 5, 1, 23, 58, 0) });
  await page.goto(address());
  await page.locator('.room', { hasText: 'Launch week' }).click();
  await page.locator('.day', { hasText: 'Today' }).waitFor();
  await page.locator('.room', { hasText: 'Launch week' }).locator('time', { hasText: 'PM' }).waitFor();
  await page.clock.fastForward('05:00');
  await page.locator('.room', { hasText: 'Launch week' }).locator('time', { hasText: 'Yesterday' }).waitFor();
  assert.equal(await page.locator('.day', { hasText: 'Today' }).count(), 0);
  await closed(page);
});
