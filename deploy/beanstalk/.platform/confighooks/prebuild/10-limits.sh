#!/bin/sh
# The same as for a new version.
exec "$(dirname "$0")/../../hooks/prebuild/10-limits.sh"
