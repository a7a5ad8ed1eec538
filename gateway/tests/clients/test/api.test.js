// Every method of the hub: its successes, and each of its errors.

import { after, before } from "node:test";

import { Cluster } from "../lib/cluster.js";
import { archive } from "./api/archive.js";
import { connectionLimits } from "./api/connections.js";
import { files } from "./api/files.js";
import { history } from "./api/history.js";
import { lists } from "./api/lists.js";
import { loss } from "./api/loss.js";
import { members } from "./api/members.js";
import { mentions } from "./api/mentions.js";
import { messages } from "./api/messages.js";
import { reactions } from "./api/reactions.js";
import { people } from "./api/people.js";
import { presence } from "./api/presence.js";
import { refusals } from "./api/refusals.js";
import { resume } from "./api/resume.js";
import { rooms } from "./api/rooms.js";
import { search } from "./api/search.js";
import { sizes } from "./api/sizes.js";
import { typing } from "./api/typing.js";

/** Above the default budgets: the tests here are about answers. `hostile.test.js` is about budgets. */
const OPTIONS = ["SEND", "UPLOAD", "SEARCH", "PEOPLE"].flatMap((budget) => [
  "--env", `gateway:RTS_LIMIT_${budget}_RATE=2000`,
  "--env", `gateway:RTS_LIMIT_${budget}_BURST=2000`,
]);

const shared = {};
before(async () => (shared.cluster = await Cluster.start(OPTIONS)), { timeout: 180_000 });
after(() => shared.cluster?.stop());

for (const suite of [rooms, members, lists, messages, history, reactions, archive, mentions, resume, refusals, search, files, presence, typing, people, sizes, connectionLimits, loss]) suite(shared);
