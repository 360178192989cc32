# Holdfast in one image: `holdfast` by itself runs everything, with `orders` or `products` as its argument one service.
# Has no shell: `docker run IMAGE --help`.

FROM node:22-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY web .
RUN npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist web/dist
RUN cargo build --release --locked --package holdfast --bin holdfast
# Made here, because what comes later has nothing to make a folder with.
RUN mkdir -p /image/var/lib/holdfast/data && cp target/release/holdfast /image/

# libc, libm and libgcc_s of the same Debian that it was built on, certificates of authorities, and nothing else: all that
# the binary is linked with (tests/deploy.rs looks).
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /image/holdfast /usr/local/bin/holdfast
COPY --from=build --chown=65532:65532 /image/var/lib/holdfast /var/lib/holdfast
# The image's "nonroot", by number: Kubernetes has to see that it is not root.
USER 65532:65532
WORKDIR /var/lib/holdfast
# Of the embedded databases; with MongoDB nothing is kept here.
ENV DATA_DIR=/var/lib/holdfast/data
VOLUME /var/lib/holdfast/data
EXPOSE 3001 3004 3006
# Of one service: -e HEALTH_SERVICE=orders.
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=12 CMD ["holdfast", "health"]
ENTRYPOINT ["holdfast"]
