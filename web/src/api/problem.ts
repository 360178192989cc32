/** What a service said when it said no. */
export interface ProblemParts {
  status: number;
  code: string;
  message: string;
  fields?: Record<string, string>;
  details?: Record<string, unknown>;
  requestId?: string;
}

/** A refusal or a failure: 0 is "nobody answered". */
export class ApiProblem extends Error {
  readonly status: number;
  readonly code: string;
  readonly fields: Record<string, string>;
  readonly details: Record<string, unknown>;
  readonly requestId: string | undefined;

  constructor(parts: ProblemParts) {
    super(parts.message);
    this.name = "ApiProblem";
    this.status = parts.status;
    this.code = parts.code;
    this.fields = parts.fields ?? {};
    this.details = parts.details ?? {};
    this.requestId = parts.requestId;
  }

  /** Whether asking again later may help. */
  get isPassing(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** Reads the error envelope of contract §2; what is none becomes a problem all the same. */
export function problemOf(status: number, body: unknown): ApiProblem {
  if (!isRecord(body) || typeof body.code !== "string") {
    return new ApiProblem({ status, code: "UNKNOWN", message: `The server answered with status ${status}` });
  }
  return new ApiProblem({
    status,
    code: body.code,
    message: typeof body.message === "string" ? body.message : body.code,
    ...(isRecord(body.fields) ? { fields: body.fields as Record<string, string> } : {}),
    ...(isRecord(body.details) ? { details: body.details } : {}),
    ...(typeof body.requestId === "string" ? { requestId: body.requestId } : {}),
  });
}

/** For people: what went wrong. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
