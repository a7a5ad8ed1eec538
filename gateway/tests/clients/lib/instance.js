// What an instance on EC2 meets: its metadata service (IMDSv2), Auto Scaling and the load balancer, which say that it
// serves, or that it is leaving.

import { createServer } from "node:http";

const INSTANCE = "i-0123456789abcdef0";
const GROUP = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:targetgroup/awseb/50dc6c495c0c9188";

/** A stub of the three services. */
export class Instance {
  /** What Auto Scaling wants of the instance, and the health of its target. */
  lifecycle = "InService";
  target = "healthy";
  #server;

  static async start() {
    const instance = new Instance();
    instance.#server = createServer((request, response) => {
      const answer = instance.#answer(request);
      response.writeHead(answer === undefined ? 404 : 200, { "x-aws-ec2-metadata-token-ttl-seconds": "600" }).end(answer);
    });
    // It ends with the process.
    instance.#server.unref();
    await new Promise((resolve) => instance.#server.listen(0, "127.0.0.1", resolve));
    return instance;
  }

  /** The variables of a gateway that runs on it. */
  get variables() {
    const url = `http://127.0.0.1:${this.#server.address().port}`;
    return {
      RTS_LEAVING_SIGNS: "lifecycle,target",
      AWS_EC2_METADATA_SERVICE_ENDPOINT: url,
      AWS_ENDPOINT_URL_AUTO_SCALING: url,
      AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2: url,
    };
  }

  #answer({ method, url, headers }) {
    if (url === "/latest/api/token") return method === "PUT" ? "a-session" : undefined;
    if (url.startsWith("/latest/meta-data/")) {
      const said = { "instance-id": INSTANCE, "autoscaling/target-lifecycle-state": this.lifecycle };
      return headers["x-aws-ec2-metadata-token"] === "a-session" ? said[url.slice("/latest/meta-data/".length)] : undefined;
    }
    const query = new URL(url, "http://instance").searchParams;
    const said = {
      DescribeAutoScalingInstances: "<AutoScalingGroupName>awseb</AutoScalingGroupName>",
      DescribeAutoScalingGroups: `<TargetGroupARNs><member>${GROUP}</member></TargetGroupARNs>`,
      DescribeTargetHealth: query.get("Targets.member.1.Id") === INSTANCE ? `<State>${this.target}</State>` : "",
    };
    const result = said[query.get("Action")];
    return result === undefined ? undefined : `<Response xmlns="http://aws/"><Result>${result}</Result></Response>`;
  }
}
