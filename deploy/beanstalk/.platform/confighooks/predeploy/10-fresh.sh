#!/bin/sh
# The same as for a new version.
exec "$(dirname "$0")/../../hooks/predeploy/10-fresh.sh"
