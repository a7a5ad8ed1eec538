#!/bin/sh
# The same as for a new version.
exec "$(dirname "$0")/../../hooks/postdeploy/10-metrics.sh"
