#!/bin/sh
# As with a new version.
exec "$(dirname "$0")/../../hooks/postdeploy/10-metrics.sh"
