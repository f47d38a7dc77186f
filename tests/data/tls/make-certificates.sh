#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Makes the certificates of the tests anew, in the directory of this script: an authority,
# a service that it vouches for (127.0.0.1, service.example), and an authority that vouches
# for nobody. They are valid from 2020 to 2119. The keys protect nothing.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/index.txt"
cat > "$work/ca.cnf" <<END
[ca]
default_ca = own
[own]
database = $work/index.txt
new_certs_dir = $work
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[service]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:service.example
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
sign () {
  openssl ca -config "$work/ca.cnf" -batch -notext \
    -startdate 20200101000000Z -enddate 21191231000000Z "$@" 2> /dev/null
}
key () {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}
for name in authority other-authority; do
  key "$work/$name.key"
  openssl req -config "$work/ca.cnf" -new -key "$work/$name.key" -subj "/CN=lsobs tests: $name" \
    -out "$work/$name.csr"
  sign -selfsign -keyfile "$work/$name.key" -extensions authority -in "$work/$name.csr" -out "$name.pem"
done
key service-key.pem
openssl req -config "$work/ca.cnf" -new -key service-key.pem -subj "/CN=lsobs tests: service" \
  -out "$work/service.csr"
sign -cert authority.pem -keyfile "$work/authority.key" -extensions service -in "$work/service.csr" \
  -out service.pem
