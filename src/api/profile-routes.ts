import { Type } from "typebox";
import { DeviceIdText } from "./common.ts";
import { listQuery, PAGE_FIELDS, SearchText } from "./list.ts";
import {
  DeviceProfileView,
  ProfileChange,
  ProfileChanged,
  ProfileDeviceView,
  ProfileInput,
  ProfileName,
  ProfileView,
  PublicationTargets,
  UnpublicationTargets,
} from "./profile-schemas.ts";
import { exact, route } from "./route.ts";

/** What the API says of profiles (rows A1 and A2). */
export const PROFILE_ROUTES = {
  listProfiles: route({
    method: "GET",
    path: "/api/v1/profiles",
    summary: "The profiles, in the order in which they are asked.",
    status: 200,
    response: exact({ profiles: Type.Array(ProfileView) }),
  }),
  showProfile: route({
    method: "GET",
    path: "/api/v1/profiles/:name",
    summary: "One profile: what it sets, and for whom.",
    params: exact({ name: ProfileName }),
    status: 200,
    response: ProfileView,
  }),
  createProfile: route({
    method: "POST",
    path: "/api/v1/profiles",
    summary: "Makes a profile, published nowhere yet; file storage must be configured.",
    body: ProfileInput,
    once: "kept",
    status: 201,
    response: ProfileChanged,
  }),
  changeProfile: route({
    method: "PUT",
    path: "/api/v1/profiles/:name",
    summary: "Says all that a profile sets from now on; devices are told at once.",
    params: exact({ name: ProfileName }),
    body: ProfileChange,
    ifMatch: true,
    status: 200,
    response: ProfileChanged,
  }),
  removeProfile: route({
    method: "DELETE",
    path: "/api/v1/profiles/:name",
    summary: "Removes a profile that is published nowhere.",
    params: exact({ name: ProfileName }),
    ifMatch: true,
    status: 200,
    response: ProfileView,
  }),
  publishProfile: route({
    method: "POST",
    path: "/api/v1/profiles/:name/publications",
    summary: "Publishes a profile to groups, offices with those below them, and devices, besides.",
    params: exact({ name: ProfileName }),
    body: PublicationTargets,
    status: 200,
    response: ProfileChanged,
  }),
  unpublishProfile: route({
    method: "POST",
    path: "/api/v1/profiles/:name/unpublications",
    summary: "Takes a profile back from some for whom it is, or from all.",
    params: exact({ name: ProfileName }),
    body: UnpublicationTargets,
    status: 200,
    response: ProfileChanged,
  }),
  listProfileDevices: route({
    method: "GET",
    path: "/api/v1/profiles/:name/devices",
    summary: "The devices for which a profile sets something, and what they have not taken yet.",
    params: exact({ name: ProfileName }),
    query: listQuery(
      { search: SearchText, office: Type.String({ maxLength: 256 }), pending: Type.Boolean() },
      ["hostName", "office"],
    ),
    status: 200,
    response: exact({ devices: Type.Array(ProfileDeviceView), ...PAGE_FIELDS }),
  }),
  showDeviceProfile: route({
    method: "GET",
    path: "/api/v1/devices/:deviceId/profile",
    summary: "The values in force for a device, which profile sets each, and what it has taken.",
    params: exact({ deviceId: DeviceIdText }),
    status: 200,
    response: DeviceProfileView,
  }),
} as const;
