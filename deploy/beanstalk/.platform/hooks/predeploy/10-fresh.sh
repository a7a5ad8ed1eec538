#!/bin/sh
# A node that receives a version or a configuration is not leaving: its gateway must start.
set -eu
rm -f "${ROOT:-}/run/rts/leaving"
