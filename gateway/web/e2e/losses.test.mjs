// Failures, and what they leave of the user's work: on an in-memory server that rejects calls and goes silent on demand.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { address, enter, inRoom, openDemo, shareDemo } from './demo.mjs';
import { assertAccessible, bubbles, say, until } from './support.mjs';

shareDemo();

/** Makes the next call of a method fail. */
const refuse = (page, method, told) =>
  page.evaluate(([name, text]) => {
    globalThis.demo.hub.next(name, () => {
      throw new Error(`An unexpected error occurred invoking '${name}' on the server. HubException: ${text}`);
    });
  }, [method, told]);
const goOffline = (page, starts = 1_000) =>
  page.evaluate((times) => {
    globalThis.demo.hub.refuseStarts = times;
    globalThis.demo.hub.drop();
  }, starts);
const comeBack = (page) =>
  page.evaluate(() => {
    globalThis.demo.hub.refuseStarts = 0;
    dispatchEvent(new Event('online'));
  });
const area = (page) => page.locator('textarea');
const calls = (page, method) => page.evaluate((name) => globalThis.demo.hub.calls.filter(([called]) => called === name).map(([, request]) => request), method);

describe('nothing is lost', () => {
  test('a paste of colour codes is sent, although its record is far larger', async () => {
    const page = await inRoom('Minsu Kim');
    await page.evaluate(() => (globalThis.demo.hub.recordBytesMax = 256 * 1024));
    const codes = '\u001b[0m'.repeat(4_096);
    await say(page, codes);
    await until(async () => (await page.locator('.bubble[data-pending]').count()) === 0, 'it is sent');
    assert.deepEqual((await calls(page, 'SendMessage')).map(({ body }) => body), [codes]);
    assert.equal(await page.locator('.failed').count(), 0);
    await page.context().close();
  });

  test('an oversized message fails once, says why, and does not block the next', async () => {
    const page = await inRoom('Minsu Kim');
    await refuse(page, 'SendMessage', 'tooLarge: body has more than 8192 bytes of UTF-8.');
    await say(page, 'x'.repeat(10_000));
    await say(page, 'and on it goes');
    await until(async () => (await bubbles(page)).includes('and on it goes'), 'the next message');
    const failed = page.locator('.message', { has: page.locator('.failed') });
    await failed.getByText('That is too large.').waitFor();
    await page.waitForTimeout(1_500);
    assert.deepEqual(await page.evaluate(() => [globalThis.demo.hub.starts, globalThis.demo.hub.count('SendMessage')]), [1, 2]);
    assert.equal(await page.locator('.banner').count(), 0);
    await assertAccessible(page, 'a failed message');
    await page.reload();
    await enter(page, 'Minsu Kim');
    await failed.getByText('That is too large.').waitFor();
    assert.equal((await calls(page, 'SendMessage')).length, 0, 'a reload does not send it again');
    await failed.getByRole('button', { name: 'Discard' }).click();
    await until(async () => (await failed.count()) === 0, 'it is gone');
    await page.context().close();
  });

  test('a draft and its quote survive another room, a lost connection, and a reload', async () => {
    const page = await inRoom('Minsu Kim');
    await page.locator('.message', { hasText: 'noodle place' }).hover();
    await page.getByRole('button', { name: 'Reply' }).click();
    await area(page).fill('half a thought');
    await enter(page, 'Launch week');
    assert.equal(await area(page).inputValue(), '');
    assert.equal(await page.locator('.context').count(), 0);
    const kept = async () => {
      await enter(page, 'Minsu Kim');
      await until(async () => (await area(page).inputValue()) === 'half a thought', 'the text');
      await page.locator('.context', { hasText: 'Reply to Minsu Kim' }).getByText('noodle place').waitFor();
    };
    await kept();
    await goOffline(page, 2);
    await kept();
    await page.reload();
    await kept();
    await area(page).press('Enter');
    await until(async () => (await calls(page, 'SendMessage'))[0]?.replyTo > 0, 'the quote is sent along');
    await page.reload();
    await enter(page, 'Minsu Kim');
    assert.equal(await area(page).inputValue(), '', 'what was sent is no draft');
    await page.context().close();
  });

  test('an edit stays in the field until it is accepted', async () => {
    const page = await inRoom('Minsu Kim');
    await area(page).press('ArrowUp');
    await until(async () => (await area(page).inputValue()) === 'See you there 👋', 'the text to edit');
    await area(page).fill('See you at one');
    await enter(page, 'Launch week');
    await enter(page, 'Minsu Kim');
    await until(async () => (await area(page).inputValue()) === 'See you at one', 'the edit is still there');
    await refuse(page, 'EditMessage', 'forbidden: No.');
    await area(page).press('Enter');
    await page.locator('.context [role=alert]', { hasText: 'You may not do that.' }).waitFor();
    assert.equal(await area(page).inputValue(), 'See you at one');
    await assertAccessible(page, 'a failed edit');
    await goOffline(page);
    await area(page).press('Enter');
    await page.locator('.context [role=alert]', { hasText: 'There is no connection right now.' }).waitFor();
    await comeBack(page);
    await until(async () => (await page.locator('.banner').count()) === 0, 'the connection is back');
    await area(page).press('Enter');
    await until(async () => (await bubbles(page)).at(-1) === 'See you at one', 'the edit');
    assert.equal(await area(page).inputValue(), '');
    await area(page).press('ArrowUp');
    await until(async () => (await area(page).inputValue()) === 'See you at one', 'the text to edit again');
    await area(page).fill('See you at two');
    await page.reload();
    await enter(page, 'Minsu Kim');
    await until(async () => (await area(page).inputValue()) === 'See you at two', 'the edit after a reload');
    await page.context().close();
  });

  test('attachments survive another room, a lost connection, a busy storage and a reload', async () => {
    const page = await inRoom('Minsu Kim');
    const answers = [503, 200];
    let held = [];
    await page.route('**/files/**', (route) => void held.push(route));
    const answer = async () => {
      await until(() => held.length > 0, 'a file is on its way');
      await held.shift().fulfill({ status: answers.shift() ?? 200 });
    };
    const takeFiles = () => {
      const take = ({ hub }) => {
        const whole = hub.answer.bind(hub);
        hub.answer = (method, request) => {
          const attachmentId = crypto.randomUUID();
          return method === 'CreateUpload' ? { attachmentId, url: `${location.origin}/files/${attachmentId}`, method: 'PUT', headers: {}, expiresAt: '' } : whole(method, request);
        };
      };
      let demo = globalThis.demo;
      if (demo !== undefined) return take(demo);
      Object.defineProperty(globalThis, 'demo', { get: () => demo, set: (made) => take((demo = made)) });
    };
    await page.evaluate(takeFiles);
    await page.addInitScript(takeFiles);
    const attach = (name) => page.locator('input[type=file]').setInputFiles([{ name, mimeType: 'text/plain', buffer: Buffer.from(name) }]);
    const entry = (name) => page.locator('.tray li', { hasText: name });
    await attach('one.txt');
    await until(() => held.length === 1, 'it is on its way');
    await enter(page, 'Launch week');
    assert.equal(await page.locator('.tray').count(), 0);
    await answer();
    await answer();
    await enter(page, 'Minsu Kim');
    await until(async () => page.locator('.composer .send').isEnabled(), 'it is up');
    await goOffline(page);
    await attach('two.txt');
    await entry('two.txt').getByText('Waiting for the connection').waitFor();
    await comeBack(page);
    await answer();
    await until(async () => page.locator('.composer .send').isEnabled(), 'both are up');
    await attach('three.txt');
    await until(() => held.length === 1, 'the third is on its way');
    let warned = 0;
    page.on('dialog', (dialog) => {
      warned += dialog.type() === 'beforeunload' ? 1 : 0;
      void dialog.accept();
    });
    await page.reload();
    assert.equal(warned, 1, 'one is warned that a file is on its way');
    await enter(page, 'Minsu Kim');
    await entry('one.txt').waitFor();
    // The request of the page before is gone with it.
    await until(() => held.length === 2, 'the third is on its way again');
    assert.equal(held.at(-1).request().postData(), 'three.txt');
    held = held.slice(1);
    await answer();
    await until(async () => page.locator('.composer .send').isEnabled(), 'all are up');
    await page.getByRole('button', { name: 'Take two.txt out' }).click();
    await say(page, 'two files');
    await until(async () => (await calls(page, 'SendMessage')).length === 1, 'it is sent');
    assert.equal((await calls(page, 'SendMessage'))[0].attachmentIds.length, 2);
    // A file that the browser has not kept is said to be cut off.
    await attach('four.txt');
    await until(() => held.length === 1, 'the fourth is on its way');
    await page.evaluate(() => indexedDB.databases().then((all) => all.forEach(({ name }) => indexedDB.open(name).onsuccess = ({ target }) => target.result.transaction('files', 'readwrite').objectStore('files').clear())));
    await page.reload();
    await enter(page, 'Minsu Kim');
    await entry('four.txt').getByText('Cut off by a reload.').waitFor();
    await page.getByRole('button', { name: 'Take four.txt out' }).click();
    await until(async () => (await page.locator('.tray').count()) === 0, 'the tray is empty');
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });
});

describe('problems are shown', () => {
  test('a closed connection is shown at once, and so is a network that disappears silently', async () => {
    const page = await inRoom('Minsu Kim');
    await page.evaluate(() => {
      globalThis.demo.hub.refuseStarts = 1_000;
      globalThis.demo.hub.drop();
    });
    await page.locator('.banner', { hasText: 'You are offline.' }).waitFor({ timeout: 500 });
    await comeBack(page);
    await until(async () => (await page.locator('.banner').count()) === 0, 'it is back');
    await page.evaluate(() => {
      globalThis.demo.hub.deaf = true;
      dispatchEvent(new Event('offline'));
    });
    await page.locator('.banner', { hasText: 'You are offline.' }).waitFor({ timeout: 500 });
    await page.waitForTimeout(4_500);
    await page.evaluate(() => (globalThis.demo.hub.deaf = false));
    await comeBack(page);
    await until(async () => (await page.locator('.banner').count()) === 0, 'it is back again');
    await page.context().close();
  });

  test('an expired sign-in is requested again, and everything written is still there', async () => {
    const page = await inRoom('Minsu Kim');
    await page.evaluate(() => {
      globalThis.demo.hub.refuseTokens = true;
      globalThis.demo.hub.drop();
    });
    await page.locator('.banner', { hasText: 'Your sign-in has ended.' }).waitFor();
    await say(page, 'written meanwhile');
    await page.locator('.bubble[data-pending]', { hasText: 'written meanwhile' }).waitFor();
    await area(page).fill('half a thought');
    await assertAccessible(page, 'an ended sign-in');
    const claims = Buffer.from(JSON.stringify({ sub: 'jiwoo', org: 'acme', name: 'Jiwoo Han' })).toString('base64url');
    await page.route('**/dev/token', (route) => route.fulfill({ json: { token: `x.${claims}.x` } }));
    const starts = await page.evaluate(() => globalThis.demo.hub.starts);
    await page.waitForTimeout(1_500);
    assert.equal(await page.evaluate(() => globalThis.demo.hub.starts), starts, 'nothing is tried without a new sign-in');
    await page.evaluate(() => (globalThis.demo.hub.refuseTokens = false));
    await page.getByRole('button', { name: 'Sign in again' }).click();
    await page.locator('input[name=userId]').fill('jiwoo');
    await page.locator('form button').click();
    await until(async () => (await bubbles(page)).at(-1) === 'written meanwhile' && (await page.locator('[data-pending]').count()) === 0, 'it is sent');
    assert.equal(await area(page).inputValue(), 'half a thought');
    assert.equal(await page.locator('.banner').count(), 0);
    await page.context().close();
  });

  test('errors of a dialog are shown in the dialog', async () => {
    const page = await inRoom('Launch week');
    await page.getByRole('button', { name: 'New chat' }).click();
    await page.locator('dialog[open] input[role=combobox]').fill('Haneul');
    await page.locator('dialog[open] input[role=combobox]').press('Enter');
    await refuse(page, 'CreateRoom', 'forbidden: No.');
    await page.getByRole('button', { name: 'Start chat' }).click();
    await page.locator('dialog[open] [role=alert]', { hasText: 'You may not do that.' }).waitFor();
    await assertAccessible(page, 'a failed dialog');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Details' }).click();
    await page.locator('.details .row-button').first().click();
    await refuse(page, 'SearchUsers', 'unavailable: Try again.');
    await page.locator('dialog[open] input').fill('Haneul');
    await page.locator('dialog[open] [role=alert]', { hasText: 'The search did not work' }).waitFor();
    await page.locator('dialog[open] input').press('Enter');
    await refuse(page, 'AddMembers', 'rateLimited: Too fast. retryAfterMs=100');
    await page.locator('dialog[open] footer .primary').click();
    await page.locator('dialog[open] [role=alert]', { hasText: 'Too fast.' }).waitFor();
    assert.equal(await page.locator('.notice').count(), 0);
    await page.context().close();
  });

  test('a failed search says so; a word of one syllable is searched', async () => {
    const page = await openDemo({ lang: 'ko' });
    await page.locator('.room').first().waitFor();
    await refuse(page, 'SearchMessages', 'unavailable: Try again.');
    await page.getByRole('searchbox').fill('국');
    await page.locator('.hint[role=alert]', { hasText: '검색하지 못했습니다.' }).waitFor();
    assert.equal(await page.getByText('검색 결과가 없습니다.').count(), 0);
    await page.getByRole('button', { name: '다시 시도' }).click();
    await page.locator('.hit', { hasText: '국수집' }).waitFor();
    await page.getByRole('searchbox').fill('');
    await refuse(page, 'ListRooms', 'internal: Broken.');
    await page.getByRole('button', { name: '보관함', exact: true }).click();
    await page.locator('.hint[role=alert]', { hasText: '목록을 불러오지 못했습니다.' }).waitFor();
    assert.equal(await page.getByText('보관된 대화가 없습니다.').count(), 0);
    await page.getByRole('button', { name: '다시 시도' }).click();
    await page.locator('.room', { hasText: '사무실 이전' }).waitFor();
    await page.context().close();
  });

  for (const width of [1280, 390]) {
    test(`no address leads to a blank page (${width} px)`, async () => {
      const page = await openDemo({ width, height: 800 });
      await page.locator('.room').first().waitFor();
      const sentence = (text) => page.locator('main [role=alert]', { hasText: text }).waitFor();
      for (const hash of ['#/rooms/%', '#/rooms/%E0%A4%A', '#/somewhere', '#/rooms/a/b/c']) {
        await page.goto(`${address()}/${hash}`);
        await sentence('This address leads nowhere.');
        await page.reload();
        await sentence('This address leads nowhere.');
      }
      await page.goto(`${address()}/#/rooms/no-such-room`);
      await sentence('There is no such chat, or you are not in it.');
      await assertAccessible(page, 'no such chat');
      await page.getByRole('button', { name: 'To your chats' }).click();
      await page.locator('.room', { hasText: 'Launch week' }).click();
      await page.locator('.bubble').first().waitFor();
      await refuse(page, 'SendMessage', 'notFound: There is no such room.');
      await say(page, 'too late');
      await page.locator('div.failed').waitFor();
      await page.evaluate(() => {
        const { server, hub } = globalThis.demo;
        const { room } = [...server.rooms.values()].find((each) => each.room.name === 'Launch week');
        server.change(room.roomId, 'memberRemoved', (r) => (r.members = r.members.filter(({ userId }) => userId !== 'jiwoo')));
        hub.emit('RoomRemoved', { roomId: room.roomId });
      });
      await sentence('You are no longer in this chat.');
      await page.locator('.unsent', { hasText: 'too late' }).getByRole('button', { name: 'Discard' }).click();
      await until(async () => (await page.locator('.unsent').count()) === 0, 'it is given up');
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    });
  }

  test('a chat that cannot be opened says why, and opens after a reconnect', async () => {
    const page = await inRoom('Minsu Kim');
    await goOffline(page);
    await page.locator('.room', { hasText: 'Daniel' }).click();
    await page.locator('.timeline [role=alert]', { hasText: 'There is no connection right now.' }).waitFor();
    await comeBack(page);
    await until(async () => (await bubbles(page)).at(-1) === 'Have a good weekend!', 'its messages');
    await page.context().close();
  });
});
