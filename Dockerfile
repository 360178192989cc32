# All programs of Holdfast in one image: `holdfast` (default), `orders`, `products`.

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
RUN cargo build --release --locked --package holdfast --package holdfast-orders --package holdfast-products --bins

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/holdfast holdfast
COPY --from=build /src/target/release/holdfast /src/target/release/orders /src/target/release/products /usr/local/bin/
COPY --chmod=755 tools/docker/healthy /usr/local/bin/healthy
USER holdfast
WORKDIR /var/lib/holdfast
# Of the embedded databases; with MongoDB nothing is kept here.
ENV DATA_DIR=/var/lib/holdfast/data
RUN mkdir data
VOLUME /var/lib/holdfast/data
EXPOSE 3001 3004 3006
CMD ["holdfast"]
