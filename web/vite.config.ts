import path from "node:path";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// `npm run dev` brings the services' calls to a Holdfast that runs elsewhere on this machine.
const server = process.env.HOLDFAST_WEB ?? "http://127.0.0.1:3006";
const proxy = { target: server, changeOrigin: false, ws: true };

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { "@": path.resolve(import.meta.dirname, "src") } },
  build: {
    target: "es2022",
    // Inlined files would need `data:` in the content security policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    manifest: true,
  },
  server: { proxy: { "/services": proxy, "/config": proxy, "/demo": proxy } },
  test: { include: ["src/**/*.test.ts"], environment: "node" },
});
