import { FakeServer } from '../app/rts/testing/fake-server';
import { chart } from './chart';

const MINUTE_US = 60_000_000;

/** Creates users and chats like those of a real team. */
export function demoServer(korean: boolean): FakeServer {
  const now = Date.now() * 1_000;
  const server = new FakeServer(now - 3 * 24 * 60 * MINUTE_US);
  const say = (en: string, ko: string): string => (korean ? ko : en);
  const people: [string, string, string][] = [
    ['jiwoo', 'Jiwoo Han', '한지우'], ['minsu', 'Minsu Kim', '김민수'], ['sarah', 'Sarah Bennett', '사라 베넷'],
    ['yuna', 'Yuna Park', '박유나'], ['daniel', 'Daniel Okafor', '다니엘 오카포'], ['haneul', 'Haneul Lee', '이하늘'],
  ];
  server.fileUrl = chart();
  people.forEach(([userId, en, ko]) => server.person(userId, say(en, ko)));
  server.presence.set('yuna', 'away').set('daniel', 'offline');

  const launch = server.addRoom('group', ['jiwoo', 'minsu', 'sarah', 'yuna', 'daniel'], say('Launch week', '출시 준비'));
  const minsu = server.addRoom('direct', ['jiwoo', 'minsu']);
  const claim = server.addRoom('group', ['sarah', 'jiwoo', 'haneul'], say('Claim 2291', '접수 2291'));
  server.get(claim.roomId).room.caseId = 'C-2291';
  const yuna = server.addRoom('direct', ['jiwoo', 'yuna']);
  const daniel = server.addRoom('direct', ['jiwoo', 'daniel']);
  const old = server.addRoom('group', ['jiwoo', 'minsu', 'haneul'], say('Office move', '사무실 이전'));

  server.say(old.roomId, 'haneul', say('All boxes are here. Thank you all!', '짐이 다 도착했어요. 모두 감사합니다!'));
  server.change(old.roomId, 'archived', (room) => (room.archived = true));
  for (let n = 1; n <= 300; n += 1) {
    server.say(daniel.roomId, n % 3 === 0 ? 'jiwoo' : 'daniel', say(`Measurement ${n}: all within limits.`, `측정 ${n}: 모두 정상 범위입니다.`));
  }
  const at = (minutes: number): { seq: number } => ({ seq: now - minutes * MINUTE_US });
  const talk = (roomId: string, lines: [number, string, string, string][]): number[] =>
    lines.map(([minutes, who, en, ko]) => server.say(roomId, who, say(en, ko), at(minutes)).seq);

  talk(daniel.roomId, [[60 * 26, 'daniel', 'Have a good weekend!', '주말 잘 보내세요!']]);
  talk(claim.roomId, [[190, 'haneul', 'The photos of the damage came in this morning.', '파손 사진이 오늘 아침에 들어왔습니다.'], [188, 'sarah', 'I will look at them after lunch. @jiwoo can you call the customer?', '점심 후에 볼게요. @jiwoo 고객에게 전화해 주실 수 있나요?']]);
  const [, second = 0, third = 0] = talk(launch.roomId, [
    [60 * 25, 'sarah', 'Tomorrow we freeze the texts.', '내일 문구를 확정합니다.'],
    [64, 'minsu', 'Good morning! The load test ran through the night without a single lost message.', '좋은 아침이에요! 밤새 부하 테스트를 돌렸는데 유실된 메시지가 하나도 없었습니다.'],
    [63, 'minsu', 'p99 was 41 ms with both nodes up.', '두 노드 모두 켜진 상태에서 p99가 41ms였어요.'],
    [61, 'jiwoo', 'Wonderful. Did you kill a node in between?', '훌륭해요. 중간에 노드를 하나 죽여 보셨나요?'],
    [60, 'minsu', 'Twice 🙂 Everyone came back within three seconds.', '두 번요 🙂 모두 3초 안에 다시 연결됐습니다.'],
    [44, 'sarah', 'Here are the numbers for the slides: https://example.org/launch/numbers', '발표 자료용 수치입니다: https://example.org/launch/numbers'],
    [31, 'yuna', '@jiwoo the Korean texts are ready, please have a look.', '@jiwoo 한국어 문구 준비됐어요. 확인 부탁드려요.'],
    [12, 'jiwoo', 'Reading them now.', '지금 읽고 있어요.'],
  ]);
  const image = { attachmentId: 'a1', fileName: say('dashboard.png', '대시보드.png'), contentType: 'image/png', sizeBytes: 284_113 };
  const sheet = { attachmentId: 'a2', fileName: say('texts-ko.xlsx', '문구-한국어.xlsx'), contentType: 'application/vnd.ms-excel', sizeBytes: 48_220 };
  server.say(launch.roomId, 'yuna', '', { ...at(11), attachments: [sheet] });
  server.say(launch.roomId, 'minsu', say('And this is how it looked from the outside.', '밖에서 보면 이랬습니다.'), { ...at(6), attachments: [image] });
  server.say(launch.roomId, 'jiwoo', say('I would put this one on the second slide.', '두 번째 슬라이드에 이걸 넣으면 좋겠어요.'), { ...at(4), replyTo: third });
  server.react(launch.roomId, second, '🎉', 'sarah', true);
  server.react(launch.roomId, second, '🎉', 'jiwoo', true);
  server.react(launch.roomId, second, '👍', 'yuna', true);
  server.react(launch.roomId, third, '👍', 'jiwoo', true);
  talk(minsu.roomId, [[40, 'jiwoo', 'Lunch at twelve?', '열두 시에 점심 어때요?'], [39, 'minsu', 'Yes! The noodle place?', '좋아요! 그 국수집?'], [38, 'jiwoo', 'See you there 👋', '거기서 봐요 👋']]);
  talk(yuna.roomId, [[9, 'yuna', 'One more question about the sign-in text…', '로그인 문구에 대해 하나 더 여쭤볼게요…'], [8, 'yuna', 'Should it say "Continue" or "Sign in"?', '"계속"이 나을까요, "로그인"이 나을까요?']]);

  for (const roomId of [launch.roomId, minsu.roomId, daniel.roomId]) {
    const { room } = server.get(roomId);
    room.members.forEach((member) => (member.readSeq = member.deliveredSeq = room.headSeq));
  }
  return server;
}
