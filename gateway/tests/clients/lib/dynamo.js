// Reads the tables that the Lambdas write, as an operator would.

import { AwsClient } from "aws4fetch";

const month = (seq) => new Date(Math.floor(seq / 1000)).toISOString().slice(0, 7).replace("-", "");

/** DynamoDB of a cluster. */
export class Dynamo {
  /** @param {{endpoint: string, region: string, accessKeyId: string, secretAccessKey: string, tables: {rooms: string, messages: string, archive: string}}} aws */
  constructor(aws) {
    this.endpoint = aws.endpoint;
    this.tables = aws.tables;
    this.client = new AwsClient({
      accessKeyId: aws.accessKeyId,
      secretAccessKey: aws.secretAccessKey,
      region: aws.region,
      service: "dynamodb",
      retries: 2,
    });
  }

  async #request(operation, body) {
    const response = await this.client.fetch(this.endpoint, {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": `DynamoDB_20120810.${operation}` },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
    if (!response.ok) throw new Error(`${operation}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async #query(table, key, value) {
    const items = [];
    let ExclusiveStartKey;
    do {
      const page = await this.#request("Query", {
        TableName: table,
        KeyConditionExpression: "#key = :value",
        ExpressionAttributeNames: { "#key": key },
        ExpressionAttributeValues: { ":value": { S: value } },
        ConsistentRead: true,
        ExclusiveStartKey,
      });
      items.push(...page.Items.map(plain));
      ExclusiveStartKey = page.LastEvaluatedKey;
    } while (ExclusiveStartKey);
    return items;
  }

  /** All messages of a room stored in the months of `seqs` and the current one, ascending. */
  async messages(roomId, seqs = []) {
    const months = new Set([...seqs, Date.now() * 1000].map(month));
    const items = [];
    for (const each of months) items.push(...(await this.#query(this.tables.messages, "roomMonth", `${roomId}#${each}`)));
    return items.sort((one, other) => one.seq - other.seq);
  }

  /** A room's items: `META` and `MEMBER#user`, by sort key. */
  async room(roomId) {
    const items = await this.#query(this.tables.rooms, "pk", roomId);
    return new Map(items.map((item) => [item.sk, item]));
  }

  /** The entries of an organization in the archive index, oldest first. */
  archive(org) {
    return this.#query(this.tables.archive, "org", org);
  }
}

function plain(item) {
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, unwrap(value)]));
}

function unwrap(value) {
  const [[type, content]] = Object.entries(value);
  switch (type) {
    case "N":
      return Number(content);
    case "L":
      return content.map(unwrap);
    case "M":
      return plain(content);
    case "NULL":
      return null;
    default:
      return content;
  }
}
