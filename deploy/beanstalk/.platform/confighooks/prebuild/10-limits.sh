#!/bin/sh
# As with a new version.
exec "$(dirname "$0")/../../hooks/prebuild/10-limits.sh"
