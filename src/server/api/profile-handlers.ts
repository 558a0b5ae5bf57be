import { valuesOf } from "../../api/profile-forms.ts";
import type { PROFILE_ROUTES } from "../../api/profile-routes.ts";
import type { ProfileChanged, ProfileDeviceView } from "../../api/profile-schemas.ts";
import type { QueryOf } from "../../api/route.ts";
import type { Command } from "../../coordinator/contract.ts";
import type { Coordinator } from "../../coordinator/coordinator.ts";
import { pendingOf } from "../../coordinator/profile-precedence.ts";
import type { ProfileRow } from "../../coordinator/profile-rows.ts";
import type { DeviceRow } from "../../coordinator/state.ts";
import { requireMatch } from "../../runtime/http/entity-tag.ts";
import { RequestRefused } from "../../runtime/http/problem.ts";
import type { Caller, HttpHandlers } from "../../runtime/http/route.ts";
import { PROFILE_KEYS } from "../../wire/profile.ts";
import type { ServerApi } from "./handlers.ts";
import { finder, selectPage } from "./paging.ts";
import { deviceProfileView, profileView } from "./profile-views.ts";
import { refusal } from "./refusals.ts";

/** Profiles, for whom they are, and what devices have taken of them. */
export function profileHandlers(api: ServerApi): HttpHandlers<typeof PROFILE_ROUTES> {
  const { coordinator } = api;
  const change = async (command: Command, caller: Caller): Promise<ProfileChanged> => {
    const answer = await api.command(command, caller);
    if (answer.kind !== "profile-changed") throw refusal(answer);
    const { profile, devices, present } = answer;
    return { profile: profileView(profile), devices, present };
  };
  const match = (name: string, ifMatch: string | undefined): void =>
    requireMatch(ifMatch, () => profileView(profileOf(coordinator, name)));
  return {
    listProfiles: () => ({ profiles: coordinator.profiles().map(profileView) }),
    showProfile: ({ params }) => profileView(profileOf(coordinator, params.name)),
    createProfile: ({ body, caller }) =>
      change({ ...body, kind: "create-profile", values: valuesOf(body.values) }, caller),
    changeProfile: ({ params, body, ifMatch, caller }) => {
      match(params.name, ifMatch);
      const values = valuesOf(body.values);
      return change({ kind: "change-profile", ...params, ...body, values }, caller);
    },
    removeProfile: async ({ params, ifMatch, caller }) => {
      match(params.name, ifMatch);
      const { profile } = await change({ kind: "remove-profile", ...params }, caller);
      return profile;
    },
    publishProfile: ({ params, body, caller }) =>
      change({ kind: "publish-profile", ...params, add: someNames(body) }, caller),
    unpublishProfile: ({ params, body: { everywhere, ...remove }, caller }) => {
      const what = everywhere === true ? { everywhere } : { remove: someNames(remove) };
      return change({ kind: "publish-profile", ...params, ...what }, caller);
    },
    listProfileDevices: ({ params, query }) =>
      listDevices(coordinator, profileOf(coordinator, params.name), query),
    showDeviceProfile: ({ params }) => {
      const device = coordinator.device(params.deviceId);
      if (device !== undefined) return deviceProfileView(coordinator, device);
      const detail = `No device ${params.deviceId} is enrolled: check its id.`;
      throw new RequestRefused(404, "device-unknown", detail);
    },
  };
}

function profileOf(coordinator: Coordinator, name: string): ProfileRow {
  const profile = coordinator.profile(name);
  if (profile !== undefined) return profile;
  const detail = `There is no profile "${name}": list them to see which there are.`;
  throw new RequestRefused(404, "profile-unknown", detail);
}

/** @throws RequestRefused `no-targets` where nobody is named. */
function someNames<T extends Readonly<Record<string, readonly string[] | undefined>>>(names: T): T {
  if (Object.values(names).some((some) => (some ?? []).length > 0)) return names;
  const detail = "Name groups, offices or devices.";
  throw new RequestRefused(422, "no-targets", detail);
}

function listDevices(
  coordinator: Coordinator,
  { name }: ProfileRow,
  query: QueryOf<(typeof PROFILE_ROUTES)["listProfileDevices"]>,
) {
  const isNamed = finder(query.search);
  const viewOf = (device: DeviceRow): ProfileDeviceView | undefined => {
    if (device.retiredAtMs !== undefined) return undefined;
    const wanted = coordinator.profileValues(device);
    const sets = PROFILE_KEYS.filter((key) => wanted[key]?.profile === name);
    if (sets.length === 0) return undefined;
    const { deviceId, hostName, office } = device;
    const reported = coordinator.profileReport(deviceId)?.values;
    const pending = pendingOf(wanted, reported).filter((key) => sets.includes(key));
    const present = coordinator.isPresent(deviceId);
    return { deviceId, hostName, office, present, sets, pending };
  };
  const { entries, ...page } = selectPage(
    {
      entries: [...coordinator.deviceRows()].flatMap((device) => viewOf(device) ?? []),
      matches: ({ office, hostName, pending }) =>
        (query.office === undefined || office === query.office) &&
        (query.pending === undefined || pending.length > 0 === query.pending) &&
        isNamed(hostName),
      sorts: { hostName: ({ hostName }) => hostName, office: ({ office }) => office },
      id: ({ deviceId }) => deviceId,
      order: "hostName",
    },
    query,
  );
  return { devices: [...entries], ...page };
}
