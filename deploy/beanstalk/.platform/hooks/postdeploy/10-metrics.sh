#!/bin/sh
# Makes the CloudWatch agent scrape the gateway's metrics. The gateway works without it, so a failure, or a mirror that does
# not answer, is only logged and does not fail the deployment: the alarm NoMetrics fires.
set -eu
root=${ROOT:-}
here=${APP_DIR:-/var/app/current}/metrics
agent="$root/opt/aws/amazon-cloudwatch-agent"
patience=${HOOK_SECONDS:-120}

start() {
  environment=$("$root/opt/elasticbeanstalk/bin/get-config" container -k environment_name)
  prefix=${environment%%rts-server*}
  [ -x "$agent/bin/amazon-cloudwatch-agent-ctl" ] || timeout "$patience" dnf install -y amazon-cloudwatch-agent
  mkdir -p "$agent/etc"
  for file in prometheus.yaml agent.json; do
    sed -e "s/@environment@/$environment/g" -e "s/@prefix@/$prefix/g" "$here/$file" > "$agent/etc/rts-$file"
  done
  # In addition to the configuration that Beanstalk generates for logs.
  timeout "$patience" "$agent/bin/amazon-cloudwatch-agent-ctl" -a append-config -m ec2 -s -c "file:$agent/etc/rts-agent.json"
}

# In a subshell of its own: as part of a condition it would not stop at the first failure.
set +e
(set -e; start)
result=$?
set -e
[ "$result" -eq 0 ] || echo "the CloudWatch agent does not read the gateway's metrics ($result)" >&2
