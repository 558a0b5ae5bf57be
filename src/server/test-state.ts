import type { ContentId, DeviceId } from "../base/ids.ts";
import type {
  Change,
  ContentFile,
  CoordinatorState,
  DeploymentRow,
  DeviceRow,
  ProgressRow,
} from "../coordinator/state.ts";

/** A content. */
export const CONTENT: ContentId = "c1".repeat(32) as ContentId;
/** Its files. */
export const FILES: readonly ContentFile[] = [
  { path: "bin/tool", sizeBytes: 9_000_000_000, mode: 0o755, sha256: "ab".repeat(32) },
];

/** A device. */
export const DEVICE: DeviceRow = {
  deviceId: "d1".repeat(16) as DeviceId,
  hostName: "pc-1",
  machineId: "m1",
  office: "Central",
  hosts: ["10.0.0.5", "2001:db8::5"],
  seenHost: "10.0.0.5",
  portOffset: 0,
  ports: { single: 34_000 },
  facts: {
    freeBytes: 5_000_000_000_000,
    usableBytes: 1,
    preferred: true,
    desktop: false,
    serverOs: true,
    uptimeS: 60,
  },
  attributes: [{ name: "os", value: "linux" }],
  productVersion: "0.1.0",
  enrolledAtMs: 1_800_000_000_000,
  lastSeenAtMs: 1_800_000_000_001,
  shunnedAtMs: 1_800_000_000_005,
  retiredAtMs: 1_800_000_000_006,
};

/** Another one. */
export const MATE: DeviceRow = {
  ...DEVICE,
  deviceId: "d2".repeat(16) as DeviceId,
  enrolledAtMs: 1_800_000_000_007,
};

/** How far the device is with the content. */
export const PROGRESS: ProgressRow = {
  contentId: CONTENT,
  deviceId: DEVICE.deviceId,
  bootId: 0xff_ff_ff_ff,
  state: "downloading",
  pieces: 10,
  piecesHeld: 3,
  heldBytes: 2_700_000_000,
  base: {
    wanInBytes: 1,
    lanInBytes: 2,
    wanOutBytes: 3,
    lanOutBytes: 4,
    originInBytes: 5,
    cacheInBytes: 0,
    hostedInBytes: 0,
  },
  current: {
    wanInBytes: Number.MAX_SAFE_INTEGER,
    lanInBytes: 6,
    wanOutBytes: 7,
    lanOutBytes: 8,
    originInBytes: 9,
    cacheInBytes: 10,
    hostedInBytes: 11,
  },
  farInBytes: [{ office: "Central", bytes: 3 }],
  office: "North",
  rvp: true,
  problem: "",
  updatedAtMs: 1_800_000_000_002,
};

/** A deployment of it. */
export const DEPLOYMENT: DeploymentRow = {
  deploymentId: "d1",
  contentId: CONTENT,
  targets: { offices: ["North"], devices: [DEVICE.deviceId], where: ["os=linux"] },
  priority: "high",
  place: -3,
  notBeforeMs: 1_800_000_000_100,
  notAfterMs: 1_900_000_000_000,
  windows: ["Mon-Fri 18:00-06:00"],
  runAction: true,
  revision: 3,
  directives: [{ kind: "pause", office: "North" }],
  createdAtMs: 1_800_000_000_004,
};

/** A bit of everything that survives a restart. */
export const STATE: CoordinatorState = {
  epoch: 5,
  devices: [DEVICE, MATE],
  contents: [
    {
      contentId: CONTENT,
      name: "tool",
      version: "1.2",
      type: "application",
      sizeBytes: 9_000_000_000,
      pieces: 10,
      files: 1,
      publisher: "aa".repeat(32),
      publisherName: "us",
      sha256: "bb".repeat(32),
      publishedAtMs: 1_800_000_000_003,
      publishedBy: DEVICE.deviceId,
    },
  ],
  offices: {
    generated: false,
    offices: [
      { name: "North", parent: "Central", type: "wifi", subnets: ["10.1.0.0/16", "10.2.0.0/16"] },
      {
        ...{ name: "Central", type: "default", subnets: [], timeZone: "Europe/Berlin" },
        ...{ wanKbitS: 2_000, preferredRvp: "pc-1", metered: true, description: "First floor" },
      },
    ],
  },
  deployments: [DEPLOYMENT],
  progress: [PROGRESS],
  officeKeys: new Map([["North", new Uint8Array(32).fill(7)]]),
  origins: [
    { kind: "storage", location: "/srv/packages" },
    { kind: "cdn", location: "https://cdn.example" },
  ],
  ledger: [
    {
      contentId: CONTENT,
      office: "North",
      wanBytes: 9_000_000_000,
      lanBytes: 1,
      originBytes: 2,
      devices: 3,
    },
  ],
  fileStorage: {
    ...{ storageId: "s1", kind: "directory", location: "/srv/packages" },
    ...{ details: { since: "1" }, configuredAtMs: 1_800_000_000_009 },
  },
  groups: [
    { name: "Pilots", devices: [DEVICE.deviceId] },
    { name: "Lab", devices: [] },
  ],
  profiles: [
    {
      name: "Branches",
      order: 10,
      values: {
        mode: "hosted",
        maxAgeDays: 0,
        diskPercent: 10,
        minFreeMib: 1_024,
        hostedCaches: ["cache.example:8080"],
        ports: { offset: 7, channels: [{ channel: 7, port: 40_000 }] },
        preferred: false,
      },
      targets: { groups: ["Lab"], offices: ["North"], devices: [DEVICE.deviceId] },
      createdAtMs: 1_800_000_000_009,
      changedAtMs: 1_800_000_000_010,
    },
  ],
  profileReports: [
    {
      deviceId: DEVICE.deviceId,
      values: { mode: { value: "hosted", profile: "Branches" }, diskPercent: { value: 25 } },
      problems: ["Port 40000 is taken."],
      atMs: 1_800_000_000_011,
    },
  ],
  accusations: [
    {
      reporter: DEVICE.deviceId,
      accused: MATE.deviceId,
      contentId: CONTENT,
      offence: "broken-promise",
      atMs: 1_800_000_000_008,
    },
  ],
};

/** What leads to it. */
export const CHANGES: readonly Change[] = [
  ...STATE.devices.map((device): Change => ({ kind: "device-put", device })),
  ...STATE.contents.map(
    (content): Change => ({
      kind: "content-add",
      content,
      files: FILES,
      manifest: Uint8Array.of(1, 2, 3),
    }),
  ),
  { kind: "offices-replace", offices: STATE.offices, officeKeys: STATE.officeKeys },
  ...STATE.deployments.map((deployment): Change => ({ kind: "deployment-put", deployment })),
  ...STATE.groups.map((group): Change => ({ kind: "group-put", group })),
  ...STATE.progress.map((progress): Change => ({ kind: "progress-put", progress })),
  { kind: "origins-replace", origins: STATE.origins },
  { kind: "file-storage-set", ...(STATE.fileStorage ? { storage: STATE.fileStorage } : {}) },
  ...STATE.ledger.map((row): Change => ({ kind: "ledger-put", row })),
  ...STATE.profiles.map((profile): Change => ({ kind: "profile-put", profile })),
  ...STATE.profileReports.map((report): Change => ({ kind: "profile-report-put", report })),
  ...STATE.accusations.map((accusation): Change => ({ kind: "accusation-put", accusation })),
];
