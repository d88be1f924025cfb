# One file for the five images: `docker build --target backend --build-arg VERSION=v1 -t backend:v1 .`
#
# The stage named `build` leaves the binaries in /out. Where they are built already, that stage is replaced by their
# folder and the rest of this file packs them: `buildah bud --build-context build=FOLDER …` (that is what `make images`
# does). The version is the image's, not the compiler's: VERSION is set after the compile, so all versions share it.

# The compile stage runs on the builder's own platform and cross-compiles: the linker that ships with Rust links both targets.
ARG RUST_IMAGE=docker.io/library/rust:1.95.0-slim-bookworm
FROM --platform=$BUILDPLATFORM ${RUST_IMAGE} AS build
ARG TARGETARCH=amd64
WORKDIR /src
COPY . .
RUN case "$TARGETARCH" in \
      amd64) target=x86_64-unknown-linux-musl ;; \
      arm64) target=aarch64-unknown-linux-musl ;; \
      *) echo "TARGETARCH=$TARGETARCH is not built: amd64 or arm64" >&2; exit 1 ;; \
    esac \
    && cargo build --locked --release --target "$target" \
      --config "target.$target.rustflags=['--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo']" \
      -p backend -p frontend -p systems -p observer -p client \
    && mkdir -p /out \
    && for name in backend frontend systems observer client; do cp "target/$target/release/$name" /out/; done

# What every image is: nothing but one static binary, run by a user that owns nothing.
FROM scratch AS image
ARG VERSION=dev
ENV VERSION=${VERSION}
LABEL org.opencontainers.image.vendor="practice" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
USER 10001:10001

FROM image AS backend
LABEL org.opencontainers.image.title="backend" \
      org.opencontainers.image.description="The API: items, and CPU to burn"
COPY --from=build /out/backend /backend
EXPOSE 8000 9000
ENTRYPOINT ["/backend"]

FROM image AS frontend
LABEL org.opencontainers.image.title="frontend" \
      org.opencontainers.image.description="The gateway and its dashboard"
COPY --from=build /out/frontend /frontend
EXPOSE 8000 9000
ENTRYPOINT ["/frontend"]

FROM image AS systems
LABEL org.opencontainers.image.title="systems" \
      org.opencontainers.image.description="The systems with state: votes and jobs"
COPY --from=build /out/systems /systems
EXPOSE 8000 9000
ENTRYPOINT ["/systems"]

FROM image AS observer
LABEL org.opencontainers.image.title="observer" \
      org.opencontainers.image.description="What the cluster says of its pods, for the page"
COPY --from=build /out/observer /observer
EXPOSE 8000 9000
ENTRYPOINT ["/observer"]

FROM image AS client
LABEL org.opencontainers.image.title="client" \
      org.opencontainers.image.description="Asks, loads with a ledger, waits and pauses"
COPY --from=build /out/client /client
ENTRYPOINT ["/client"]
