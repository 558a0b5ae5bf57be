import { PRODUCT_VERSION } from "../../base/constants.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import type { Answered } from "../../runtime/http/app.ts";

/** What is counted of packages on their way into the file storage, and from it to devices. */
export type PackageFigures = {
  readonly uploads: () => number;
  readonly sentBytes: () => number;
};

/** What the figures are taken from. */
export type MetricsParts = {
  readonly coordinator: Coordinator;
  readonly epoch: number;
  readonly packages: PackageFigures;
  /** How many streams of events are read now. */
  readonly streams: () => number;
};

/** The figures of the server, for Prometheus. Their names are a promise: see docs/metrics.md. */
export class Metrics {
  readonly #registry: Registry;
  readonly #asked: { readonly count: Counter; readonly seconds: Histogram };
  readonly #deliveries: Counter;

  /** The library is loaded here, because only the running server needs it. */
  static async create(parts: MetricsParts): Promise<Metrics> {
    return new Metrics(await import("prom-client"), parts);
  }

  private constructor(library: Library, parts: MetricsParts) {
    const registry = new library.Registry();
    this.#registry = registry;
    library.collectDefaultMetrics({ register: registry });
    const gauge: AddGauge = (name, help, value) => {
      new library.Gauge({
        name,
        help,
        labelNames: typeof value === "function" ? [] : [value.label],
        registers: [registry],
        collect() {
          if (typeof value === "function") return this.set(value());
          for (const [word, count] of Object.entries(value.of())) {
            this.set({ [value.label]: word }, count);
          }
        },
      });
    };
    addGauges(gauge, parts);
    addLedgerGauges(gauge, parts.coordinator);
    new library.Counter({
      name: "branchline_packages_sent_bytes_total",
      help: "Bytes of packages that were sent from the file storage.",
      registers: [registry],
      collect() {
        this.reset();
        this.inc(parts.packages.sentBytes());
      },
    });
    this.#asked = {
      count: new library.Counter({
        name: "branchline_api_requests_total",
        help: "Requests that the API answered.",
        labelNames: ["operation", "method", "status"],
        registers: [registry],
      }),
      seconds: new library.Histogram({
        name: "branchline_api_request_seconds",
        help: "How long answers took.",
        labelNames: ["operation"],
        buckets: [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
        registers: [registry],
      }),
    };
    this.#deliveries = new library.Counter({
      name: "branchline_webhook_attempts_total",
      help: "Attempts to tell a webhook something, by how they went.",
      labelNames: ["outcome"],
      registers: [registry],
    });
  }

  /** The media type of the text. */
  get media(): string {
    return this.#registry.contentType;
  }

  /** All figures as they are now. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  onAnswered({ operation, method, status, seconds }: Answered): void {
    // A method that we do not know could be any text; all of them count as one.
    const known = operation === "" ? "other" : method;
    this.#asked.count.inc({
      operation: operation || "none",
      method: known,
      status: String(status),
    });
    if (operation !== "watchEvents")
      this.#asked.seconds.observe({ operation: operation || "none" }, seconds);
  }

  onDelivery(outcome: "delivered" | "failed"): void {
    this.#deliveries.inc({ outcome });
  }
}

type Library = typeof import("prom-client");
type Registry = InstanceType<Library["Registry"]>;
type Counter = InstanceType<Library["Counter"]>;
type Histogram = InstanceType<Library["Histogram"]>;

/** Adds a figure that is taken when it is asked for: one, or one for each word of a label. */
type AddGauge = (
  name: string,
  help: string,
  value:
    | (() => number)
    | { readonly label: string; readonly of: () => Readonly<Record<string, number>> },
) => void;

function addGauges(gauge: AddGauge, parts: MetricsParts): void {
  const { coordinator, epoch, streams, packages } = parts;
  gauge("branchline_build_info", "Always 1; the version is a label.", {
    label: "version",
    of: () => ({ [PRODUCT_VERSION]: 1 }),
  });
  gauge("branchline_epoch", "Rises with each start of the server.", () => epoch);
  gauge("branchline_devices", "Devices by how they stand.", {
    label: "state",
    of: () => devicesOf(coordinator),
  });
  gauge("branchline_deployments", "Deployments by whether they are over.", {
    label: "state",
    of: () => deploymentsOf(coordinator),
  });
  gauge("branchline_contents", "Published contents.", () => coordinator.contents().length);
  gauge("branchline_offices", "Offices of the topology.", () => coordinator.offices().length);
  gauge("branchline_uploads", "Packages on their way into the file storage.", packages.uploads);
  gauge("branchline_event_streams", "Streams of events that are read now.", streams);
}

function addLedgerGauges(gauge: AddGauge, coordinator: Coordinator): void {
  gauge("branchline_ledger_bytes", "Bytes of pieces by the way that they took or were saved.", {
    label: "way",
    of: () => bytesOf(coordinator),
  });
  gauge("branchline_piece_bytes", "Bytes of pieces that devices took in and served, by source.", {
    label: "source",
    of: () => piecesOf(coordinator),
  });
  gauge(
    "branchline_ledger_alarms",
    "Rows of the ledger above their bound.",
    () => coordinator.ledger().filter(({ alarm }) => alarm).length,
  );
}

function devicesOf(coordinator: Coordinator) {
  const counts = { present: 0, absent: 0, shunned: 0, retired: 0 };
  for (const { deviceId, shunnedAtMs, retiredAtMs } of coordinator.deviceRows()) {
    if (retiredAtMs !== undefined) counts.retired += 1;
    else if (coordinator.isPresent(deviceId)) counts.present += 1;
    else counts.absent += 1;
    if (shunnedAtMs !== undefined && retiredAtMs === undefined) counts.shunned += 1;
  }
  return counts;
}

function deploymentsOf(coordinator: Coordinator) {
  const all = coordinator.deploymentRows();
  const finished = all.filter(({ finishedAtMs }) => finishedAtMs !== undefined).length;
  return { finished, running: all.length - finished };
}

function piecesOf({ parts }: Coordinator) {
  const { totals } = parts.rollout;
  return {
    own_cache: totals.cacheInBytes,
    lan: totals.lanInBytes,
    wan: totals.wanInBytes,
    hosted: totals.hostedInBytes,
    origin: totals.originInBytes,
    served: totals.lanOutBytes + totals.wanOutBytes,
  };
}

function bytesOf(coordinator: Coordinator) {
  const sums = { wan: 0, lan: 0, origin: 0, saved: 0 };
  for (const row of coordinator.ledger()) {
    sums.wan += row.wanBytes;
    sums.lan += row.lanBytes;
    sums.origin += row.originBytes;
    sums.saved += row.savedBytes;
  }
  return sums;
}
