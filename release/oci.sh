# shellcheck shell=bash
# OCI layouts, written by hand: https://github.com/opencontainers/image-spec/blob/main/image-layout.md. Sourced.

# new_layout LAYOUT: an empty one, in the place of another.
new_layout() {
  rm -rf "$1"
  mkdir -p "$1/blobs/sha256"
  echo '{"imageLayoutVersion": "1.0.0"}' >"$1/oci-layout"
  echo '{"schemaVersion": 2, "manifests": []}' >"$1/index.json"
}

# add_blob LAYOUT FILE MEDIA_TYPE: puts FILE into the layout, and prints its descriptor.
add_blob() {
  local digest
  digest=$(sha256sum <"$2" | cut -d' ' -f1)
  cp "$2" "$1/blobs/sha256/$digest"
  jq -nc --arg type "$3" --arg digest "sha256:$digest" --argjson size "$(stat --format %s "$2")" '{mediaType: $type, digest: $digest, size: $size}'
}

# add_manifest LAYOUT FILE MEDIA_TYPE TAG: the same, with a name.
add_manifest() {
  local descriptor
  descriptor=$(add_blob "${@:1:3}")
  jq --argjson it "$descriptor" --arg tag "$4" '.manifests += [$it + {annotations: {"org.opencontainers.image.ref.name": $tag}}]' \
    "$1/index.json" >"$1/index.json.new"
  mv "$1/index.json.new" "$1/index.json"
}

# descriptor LAYOUT TAG
descriptor() {
  jq -c --arg tag "$2" '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $tag) | {mediaType, digest, size}' "$1/index.json"
}

# digest_of LAYOUT TAG
digest_of() {
  descriptor "$@" | jq -r .digest
}
