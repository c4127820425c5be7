#!/bin/sh
# The manual page, out of what confab itself says: cli/manual.sh CONFAB VERSION PREFIX > confab.1
set -eu
confab=$1 version=$2 prefix=$3

# As it is: what troff would read something into is escaped.
as_it_is() {
    printf '.PP\n.nf\n'
    sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/"
    printf '.fi\n'
}

cat <<EOF
.TH CONFAB 1 "" "confab $version" "User Commands"
.SH NAME
confab \- a network simulation and testing toolkit for WebRTC
.SH SYNOPSIS
.B confab
.I VERB
\&...
.SH DESCRIPTION
EOF
"$confab" help | sed '1,/^usage/d' | as_it_is
for verb in $("$confab" help | sed -n 's/^  \([a-z]*\)  *.*/\1/p'); do
    printf '.SH CONFAB %s\n' "$(printf '%s' "$verb" | tr a-z A-Z)"
    "$confab" help "$verb" | as_it_is
done
cat <<EOF
.SH FILES
.TP
.I $prefix/share/confab/scenarios
scenarios, each a question worth asking
.TP
.I results/NAME
where confab run puts result.json, report.html and captures, unless told otherwise
.SH ENVIRONMENT
.TP
.B NO_COLOR
no colors, if it is set
.SH SEE ALSO
.BR tshark (1),
.BR turnserver (1)
EOF
