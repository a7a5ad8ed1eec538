#!/bin/sh
# As with a new version.
exec "$(dirname "$0")/../../hooks/predeploy/10-fresh.sh"
