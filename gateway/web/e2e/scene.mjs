// The users and chats of a typical team, on a real cluster: for pictures, and for the tests of every look.
import { createHash, randomUUID } from 'node:crypto';
import { deflateSync, crc32 } from 'node:zlib';
import { until } from './support.mjs';

const PEOPLE = [
  ['jiwoo', 'Jiwoo Han', '한지우'], ['minsu', 'Minsu Kim', '김민수'], ['sarah', 'Sarah Bennett', '사라 베넷'],
  ['yuna', 'Yuna Park', '박유나'], ['daniel', 'Daniel Okafor', '다니엘 오카포'], ['haneul', 'Haneul Lee', '이하늘'],
];

/** Seeds the chats of `jiwoo`; the others stay connected until `close`. Skips what the server does not support. */
export async function scene(cluster, korean) {
  const say = (en, ko) => (korean ? ko : en);
  const orgId = korean ? 'hanbit' : 'acme';
  const names = Object.fromEntries(PEOPLE.map(([userId, en, ko]) => [userId, say(en, ko)]));
  const hubs = {};
  for (const userId of Object.keys(names)) hubs[userId] = await cluster.client(userId, names[userId], orgId);
  const call = (who, method, request) => hubs[who].invoke(method, request);
  /** Ignores that an older server lacks a method. */
  const may = (promise) => promise.catch((error) => {
    if (!String(error).includes('Method does not exist')) throw error;
  });
  const send = (room, who, en, ko, more = {}) => call(who, 'SendMessage', { roomId: room.roomId, clientId: randomUUID(), body: say(en, ko), ...more });
  const make = async (who, kind, memberIds, name, caseId) => {
    const { room } = await call(who, 'CreateRoom', { kind, memberIds, ...(name ? { name } : {}), ...(caseId ? { caseId } : {}) });
    return room;
  };
  const attach = async (room, who, fileName, contentType, bytes) => {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const ticket = await may(call(who, 'CreateUpload', { roomId: room.roomId, fileName, contentType, sizeBytes: bytes.length, sha256 }));
    if (ticket === undefined) return {};
    const put = await fetch(ticket.url, { method: ticket.method, headers: ticket.headers, body: bytes });
    if (!put.ok) throw new Error(`the file was not taken: ${put.status} ${await put.text()}`);
    return { attachmentIds: [ticket.attachmentId] };
  };

  // Others learn of a first sign-in a moment later; until then they would show the id.
  await until(async () => {
    const answer = await may(call('jiwoo', 'SearchUsers', { limit: 50 }));
    return answer === undefined || Object.keys(names).every((id) => answer.users.some(({ userId, displayName }) => userId === id && displayName === names[id]));
  }, 'the directory knows everyone');
  const old = await make('jiwoo', 'group', ['minsu', 'haneul'], say('Office move', '사무실 이전'), 'C-1874');
  await send(old, 'haneul', 'All boxes are here. Thank you all!', '짐이 다 도착했어요. 모두 감사합니다!');
  await may(call('jiwoo', 'ArchiveRoom', { roomId: old.roomId }));

  const daniel = await make('daniel', 'direct', ['jiwoo']);
  await send(daniel, 'daniel', 'The measurements of the week are in the folder.', '이번 주 측정값은 폴더에 있습니다.');
  await send(daniel, 'daniel', 'Have a good weekend!', '주말 잘 보내세요!');
  const claim = await make('sarah', 'group', ['jiwoo', 'haneul'], say('Claim 2291', '접수 2291'), 'C-2291');
  await send(claim, 'haneul', 'The photos of the damage came in this morning.', '파손 사진이 오늘 아침에 들어왔습니다.');
  await send(claim, 'sarah', 'I will look at them after lunch. @jiwoo can you call the customer?', '점심 후에 볼게요. @jiwoo 고객에게 전화해 주실 수 있나요?');
  const minsu = await make('jiwoo', 'direct', ['minsu']);
  await send(minsu, 'jiwoo', 'Lunch at twelve?', '열두 시에 점심 어때요?');
  await send(minsu, 'minsu', 'Yes! The noodle place?', '좋아요! 그 국수집?');
  await send(minsu, 'jiwoo', 'See you there 👋', '거기서 봐요 👋');
  const yuna = await make('yuna', 'direct', ['jiwoo']);
  await send(yuna, 'yuna', 'One more question about the sign-in text…', '로그인 문구에 대해 하나 더 여쭤볼게요…');
  await send(yuna, 'yuna', 'Should it say "Continue" or "Sign in"?', '"계속"이 나을까요, "로그인"이 나을까요?');

  const launch = await make('jiwoo', 'group', ['minsu', 'sarah', 'yuna', 'daniel'], say('Launch week', '출시 준비'));
  const night = await send(launch, 'minsu', 'Good morning! The load test ran through the night without a single lost message.', '좋은 아침이에요! 밤새 부하 테스트를 돌렸는데 유실된 메시지가 하나도 없었습니다.');
  const p99 = await send(launch, 'minsu', 'p99 was 41 ms with both nodes up.', '두 노드 모두 켜진 상태에서 p99가 41ms였어요.');
  await send(launch, 'jiwoo', 'Wonderful. Did you kill a node in between?', '훌륭해요. 중간에 노드를 하나 죽여 보셨나요?');
  await send(launch, 'minsu', 'Twice 🙂 Everyone came back within three seconds.', '두 번요 🙂 모두 3초 안에 다시 연결됐습니다.');
  await send(launch, 'sarah', 'Here are the numbers for the slides: https://example.org/launch/numbers', '발표 자료용 수치입니다: https://example.org/launch/numbers');
  await send(launch, 'yuna', '@jiwoo the Korean texts are ready, please have a look.', '@jiwoo 한국어 문구 준비됐어요. 확인 부탁드려요.');
  await send(launch, 'jiwoo', 'Reading them now.', '지금 읽고 있어요.');
  const sheet = await attach(launch, 'yuna', say('texts-ko.csv', '문구-한국어.csv'), 'text/csv', Buffer.from('key,text\n'.repeat(5_000)));
  if (sheet.attachmentIds) await send(launch, 'yuna', '', '', sheet);
  const image = await attach(launch, 'minsu', say('dashboard.png', '대시보드.png'), 'image/png', chart());
  await send(launch, 'minsu', 'And this is how it looked from the outside.', '밖에서 보면 이랬습니다.', image);
  for (const [who, seq, emoji] of [['sarah', night.seq, '🎉'], ['jiwoo', night.seq, '🎉'], ['yuna', night.seq, '👍'], ['jiwoo', p99.seq, '👍']]) {
    await may(call(who, 'React', { roomId: launch.roomId, seq, emoji, on: true }));
  }
  const last = await send(launch, 'jiwoo', 'I would put this one on the second slide.', '두 번째 슬라이드에 이걸 넣으면 좋겠어요.', { replyTo: p99.seq });
  for (const who of ['jiwoo', 'minsu', 'sarah', 'yuna', 'daniel']) await call(who, 'MarkRead', { roomId: launch.roomId, seq: last.seq });
  for (const room of [minsu, daniel]) await call('jiwoo', 'MarkRead', { roomId: room.roomId, seq: last.seq });
  await may(call('yuna', 'SetPresence', { status: 'away' }));
  await hubs.daniel.stop();
  await hubs.jiwoo.stop();
  return {
    viewer: { userId: 'jiwoo', name: names.jiwoo, orgId },
    title: say('Launch week', '출시 준비'),
    typing: () => may(call('sarah', 'SetTyping', { roomId: launch.roomId, typing: true })),
    close: () => Promise.all(Object.values(hubs).map((hub) => hub.stop())),
  };
}

/** A picture to send: latency over a night, with two short rises. A PNG made without any library. */
function chart(width = 460, height = 220) {
  const bump = (x, at) => 52 * Math.exp(-((x - at) ** 2) / 2);
  const level = (x) => 178 - 1.6 * (18 + 4 * Math.sin(x * 1.7) + 3 * Math.sin(x * 0.6) + bump(x, 20) + bump(x, 43));
  const rows = Buffer.alloc(height * (1 + width * 3));
  const at = (px) => level((px - 20) / 7);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const inside = x >= 20 && x <= 440;
      // As thick on a slope as on the level.
      const slope = Math.abs(at(x + 0.5) - at(x - 0.5));
      const near = inside && Math.abs(y - at(x)) < 1.3 * Math.hypot(1, slope);
      const grid = inside && [50, 90, 130, 170].includes(y);
      rows.set(near ? [125, 243, 192] : grid ? [42, 50, 70] : [23, 28, 43], y * (1 + width * 3) + 1 + x * 3);
    }
  }
  const part = (kind, data) => {
    const named = Buffer.concat([Buffer.from(kind), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(named));
    return Buffer.concat([length, named, sum]);
  };
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width);
  head.writeUInt32BE(height, 4);
  head.set([8, 2, 0, 0, 0], 8);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, part('IHDR', head), part('IDAT', deflateSync(rows)), part('IEND', Buffer.alloc(0))]);
}
