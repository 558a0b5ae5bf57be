import {
  MOVABLE_CHANNELS,
  type PortMapView,
  type ProfileInForceView,
  type ProfileValuesView,
} from "./profile-schemas.ts";

// Profiles as programs have them and as the API shows them: a channel is a number in programs, and
// has a name in the API. Both programs answer in these forms.

/** A port map with the numbers of channels. */
export type NumberedPorts = {
  readonly single?: number;
  readonly offset?: number;
  readonly channels?: readonly { readonly channel: number; readonly port: number }[];
};

type Changed<V, Changes> = Omit<V, keyof Changes> & Changes;

/** The values of a profile, with the numbers of channels. */
export type NumberedValues = Changed<
  Readonly<ProfileValuesView>,
  { readonly hostedCaches?: readonly string[]; readonly ports?: NumberedPorts }
>;

/** Values and who set each, with the numbers of channels. */
export type NumberedInForce = Changed<
  Readonly<ProfileInForceView>,
  {
    readonly hostedCaches?: { readonly value: readonly string[]; readonly profile?: string };
    readonly ports?: { readonly value: NumberedPorts; readonly profile?: string };
  }
>;

/** The values of a profile as the API shows them. */
export function valuesView({ ports, hostedCaches, ...rest }: NumberedValues): ProfileValuesView {
  return {
    ...rest,
    ...(hostedCaches && { hostedCaches: [...hostedCaches] }),
    ...(ports && { ports: portsView(ports) }),
  };
}

/** Values and who set each, as the API shows them. */
export function inForceView(values: NumberedInForce): ProfileInForceView {
  const { ports, hostedCaches, ...rest } = values;
  return {
    ...rest,
    ...(hostedCaches && { hostedCaches: { ...hostedCaches, value: [...hostedCaches.value] } }),
    ...(ports && { ports: { ...ports, value: portsView(ports.value) } }),
  };
}

/** Values as the API is given them. */
export function valuesOf({ ports, ...rest }: ProfileValuesView): NumberedValues {
  return { ...rest, ...(ports && { ports: portsOf(ports) }) };
}

function portsView({ channels, ...rest }: NumberedPorts): PortMapView {
  if (channels === undefined) return rest;
  const named = channels.flatMap(({ channel, port }) => {
    const name = MOVABLE_CHANNELS[channel - 1];
    return name === undefined ? [] : [{ channel: name, port }];
  });
  return { ...rest, channels: named };
}

function portsOf({ channels, ...rest }: PortMapView): NumberedPorts {
  if (channels === undefined) return rest;
  const numbered = channels.map(({ channel, port }) => ({
    channel: MOVABLE_CHANNELS.indexOf(channel) + 1,
    port,
  }));
  return { ...rest, channels: numbered };
}
