import { discoveryPorts, ownPortMap, rememberedPorts } from "../../agent/ports.ts";
import { offsetPorts, SERVER_PORTS, singlePort } from "../../effects/channels.ts";
import { devicePortTable } from "../../peer/ports.ts";
import type { PortMap } from "../../wire/profile.ts";
import type { Io } from "../io.ts";
import {
  agentSettings,
  contentServerSettings,
  hostedCacheSettings,
  peerSettings,
  type SettingsOptions,
  serverSettings,
} from "../settings-flags.ts";
import { channelRules, type FirewallRole, type FirewallRule, tcpRule } from "./rules.ts";

/** What has to be let in for a program with these settings. */
export function rulesFor(
  role: FirewallRole,
  options: SettingsOptions,
  io: Io,
): readonly FirewallRule[] {
  return ROLES[role](options, io);
}

type RulesOf = (options: SettingsOptions, io: Io) => readonly FirewallRule[];

const ROLES: Readonly<Record<FirewallRole, RulesOf>> = {
  device: (options, io) => {
    const settings = agentSettings(options, io);
    const own = deviceRules(ownPortMap(settings));
    const profile = rememberedPorts(settings.data);
    // Until its next start, and where a profile's ports are taken, it listens on its own.
    return profile === undefined ? own : [...deviceRules(profile), ...own];
  },
  server: (options, io) => {
    const { network, api, storage } = serverSettings(options, io);
    const table =
      network.singlePort === undefined
        ? offsetPorts(SERVER_PORTS, network.portOffset)
        : singlePort(SERVER_PORTS, network.singlePort);
    const apiPort = api.port + network.portOffset;
    const storagePort = storage.port + network.portOffset;
    return [
      ...channelRules(table),
      ...(api.listen ? [tcpRule(apiPort, "commands, programs and people at the API")] : []),
      ...(storage.serve ? [tcpRule(storagePort, "packages of the file storage, by HTTPS")] : []),
    ];
  },
  "content-server": (options, io) => [
    tcpRule(contentServerSettings(options, io).network.port, "files and content information"),
  ],
  "hosted-cache": (options, io) => {
    const { network, tls } = hostedCacheSettings(options, io);
    const blocks = tcpRule(network.port, "BranchCache retrieval and offers of version 2.0");
    const offers = tcpRule(network.tlsPort, "BranchCache offers of version 1.0");
    return tls.certificate === undefined ? [blocks] : [blocks, offers];
  },
  branchcache: (options, io) => {
    const { network, discovery } = peerSettings(options, io);
    const retrieval = tcpRule(network.port, "BranchCache retrieval (PCCRR)", "subnet");
    if (!discovery.enabled) return [retrieval];
    const purpose = "BranchCache discovery (PCCRD over WS-Discovery)";
    return [retrieval, { protocol: "udp", ports: [discovery.port], from: "subnet", purpose }];
  },
};

function deviceRules(ports: PortMap): readonly FirewallRule[] {
  const discovery = discoveryPorts(ports).ownPort;
  return channelRules({ ...devicePortTable(ports), discovery });
}
