/** What the background audits of both services say. Only one that has finished and found nothing is good. */
import { queryOptions } from "@tanstack/react-query";

import { baseOf, call, type ServiceName } from "./client";
import { ApiProblem } from "./problem";

export interface AuditPart {
  name: string;
  status: string;
  finishedAt: string | undefined;
  checked: Record<string, number>;
}

export interface Finding {
  kind: string;
  product: string | undefined;
  order: string | undefined;
  message: string;
}

export interface AuditReport {
  service: ServiceName;
  status: string;
  parts: AuditPart[];
  findings: Finding[];
  totalFindings: number;
}

/** `null`: this server has no audit of its own. */
export type Audit = { status: string; reports: AuditReport[] } | null;

/** From the worst on; a status that is not known is worse than any good one. */
const ORDER = ["mismatch", "unknown", "stale", "running", "off", "standby", "clean"];

type Said = Record<string, unknown>;
const said = (data: unknown): Said => (typeof data === "object" && data !== null ? (data as Said) : {});
const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Believes a report only as far as it makes sense. */
export function readReport(service: ServiceName, data: unknown): AuditReport {
  const report = said(data);
  const status = text(report.status) ?? "unknown";
  const total = report.totalFindings;
  return {
    service,
    status: ORDER.includes(status) ? status : "unknown",
    parts: list(report.parts).map((part) => {
      const { name, status: how, finishedAt, checked } = said(part);
      const counts = Object.entries(said(checked)).filter(
        (entry): entry is [string, number] => typeof entry[1] === "number",
      );
      return {
        name: text(name) ?? "",
        status: text(how) ?? "unknown",
        finishedAt: text(finishedAt),
        checked: Object.fromEntries(counts),
      };
    }),
    findings: list(report.findings).map((finding) => {
      const { kind, product, order, message } = said(finding);
      return { kind: text(kind) ?? "", product: text(product), order: text(order), message: text(message) ?? "" };
    }),
    totalFindings: typeof total === "number" ? total : 0,
  };
}

/** The worst of them. */
export function combined(reports: readonly AuditReport[]): string {
  const ranks = reports.map((report) => ORDER.indexOf(report.status));
  return ORDER[Math.min(...ranks)] ?? "unknown";
}

async function ask(service: ServiceName): Promise<AuditReport | null> {
  try {
    return readReport(service, await call<unknown>("GET", `${baseOf(service)}/health/audit`));
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 404) return null;
    throw error;
  }
}

export const audit = queryOptions({
  queryKey: ["audit"],
  queryFn: async (): Promise<Audit> => {
    const reports = await Promise.all([ask("products"), ask("orders")]);
    const known = reports.filter((report) => report !== null);
    return known.length < reports.length ? null : { status: combined(known), reports: known };
  },
  refetchInterval: 5_000,
});
