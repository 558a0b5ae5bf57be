import { type Due, NEVER } from "../../base/machine.ts";
import { Prng } from "../../base/prng.ts";
import { MS, SECOND } from "../../base/units.ts";
import {
  GREETINGS,
  LINE_RATE_INITIAL,
  OTHERS_MIN,
  POLICED_US,
  PROBE_UP_SLACK_US,
  RAMP,
  SHARE_DOWN,
  START_GAIN,
  START_RATE,
  TRAIN_RATE,
  TRAIN_SLOPE_MIN,
  TRAIN_SLOWER,
  UNCALIBRATED,
} from "./adaptive/constants.ts";
import { Credit } from "./adaptive/credit.ts";
import { DRAIN_SHARE, Drain, type Drained } from "./adaptive/drain.ts";
import { LineView } from "./adaptive/line-view.ts";
import { Losses } from "./adaptive/losses.ts";
import { Meeting, type Next } from "./adaptive/meeting.ts";
import { Moments } from "./adaptive/moments.ts";
import { ProbeUp } from "./adaptive/probe-up.ts";
import { Probes } from "./adaptive/probes.ts";
import type { Sample } from "./adaptive/samples.ts";
import { Share } from "./adaptive/share.ts";
import { type Occasion, Silence } from "./adaptive/silence.ts";
import { SlowerLine } from "./adaptive/slower-line.ts";
import { type State, told, USING } from "./adaptive/state.ts";
import { Step } from "./adaptive/step.ts";
import {
  judgeForeign,
  lastingForeign,
  startVerdict,
  trainPackets,
  trainVerdict,
} from "./adaptive/verdicts.ts";
import {
  type Arrivals,
  type Controller,
  type ControllerStatus,
  type Sent,
  WINDOW_BYTES_MIN,
} from "./controller.ts";

/** The Background protocol's law, which uses a line only while nobody else does; {@link Background}. */
export function background(seed: number): Controller {
  return new Background(seed);
}

/**
 * Sends at the rate of the line as long as it is ours alone, and stops within a round trip once
 * others are there, whose packets it sees as a wait that is not its own.
 *
 * What it borrows: pacing at a modelled rate and probing it from BBR (Cardwell et al., 2016), the
 * algebra of competing rates from Nimbus (Goyal et al., 2022), the two steps of yielding from TCP-LP
 * (Kuzmanovic and Knightly, 2003). `docs/adaptive.md` tells it to those who run networks.
 */
class Background implements Controller {
  readonly inTrains = false;
  readonly #line = new LineView();
  readonly #losses = new Losses();
  readonly #meeting = new Meeting();
  readonly #silence: Silence;
  readonly #slower = new SlowerLine();
  readonly #moments = new Moments();
  readonly #probes = new Probes();
  readonly #up = new ProbeUp();
  readonly #credit = new Credit();
  readonly #draining = new Drain();
  #state: State = "greeting";
  #sinceUs = 0;
  readonly #share = new Share();
  /** How fast we send in states that send. */
  #rate = 0;
  #step: Step | undefined;
  #occasion: Occasion = "clear";
  /** Whether we have ever used the line at the rate that is believed. */
  #proven = false;
  /** Whether the rate has been seen from above. */
  #calibrated = false;
  #waits = false;
  #idleSinceUs = 0;
  #ranSinceUs = 0;
  /** Since when others have had the line, but for moments. */
  #busySinceUs: number | undefined;
  #nextUpUs = 0;

  constructor(seed: number) {
    this.#silence = new Silence(new Prng(seed));
  }

  onSent(nowUs: number, sent: Sent): void {
    const bytes = this.#line.onSent(nowUs, sent);
    if (sent.probe) return;
    this.#credit.onSent(bytes);
    if (USING.has(this.#state)) this.#losses.onSent();
    this.#step?.onSent(nowUs, sent.packet, bytes);
    if (this.#state === "step" && (this.#step?.leftBytes ?? 0) <= 0) this.#go(nowUs, "judging");
  }

  onArrivals(nowUs: number, heardAtUs: number, arrivals: Arrivals): void {
    const isOurs = USING.has(this.#state) || this.#state === "drain";
    if (this.#line.onArrivals(nowUs, { heardAtUs, arrivals }, isOurs)) this.#look(nowUs);
  }

  onAcked(): void {} // Arrivals say more, and sooner.

  onLost(nowUs: number, packets: number): void {
    if (!USING.has(this.#state)) return;
    const rate = this.#losses.onLost(nowUs, packets, this.#line);
    if (rate === undefined) return;
    this.#line.capacity = rate;
    this.#run(nowUs);
    this.#nextUpUs = nowUs + POLICED_US;
  }

  // Losses with a queue come after the alarm; those without are `onLost`'s.
  onCongestion(): void {}

  onPersistentCongestion(nowUs: number): void {
    this.#line.forget();
    this.#step = undefined;
    this.#rate = 0;
    this.#silence.clear();
    this.#slower.forget();
    this.#proven = false;
    this.#probes.begin(nowUs);
    this.#go(nowUs, "greeting");
  }

  onWaiting(nowUs: number, waits: boolean): void {
    if (waits === this.#waits) return;
    this.#waits = waits;
    if (!waits) {
      this.#idleSinceUs = nowUs;
      return;
    }
    this.#probes.begin(nowUs);
    const idleUs = nowUs - this.#idleSinceUs;
    if (USING.has(this.#state) && idleUs > Math.max(SECOND, 4 * this.#line.roundUs)) {
      this.#train(nowUs, "clear");
    }
  }

  due(): Due {
    if (!this.#waits && this.#state !== "judging") return NEVER;
    return { atUs: Math.ceil(this.#dueUs()), reason: this.#state };
  }

  onTimer(nowUs: number): void {
    if (nowUs < this.due().atUs) return;
    switch (this.#state) {
      case "step":
        this.#step?.cut();
        this.#go(nowUs, "judging");
        break;
      case "judging":
        this.#judge(nowUs);
        break;
      case "quiet":
        this.#tryAgain(nowUs);
        break;
      case "greeting":
        break;
      case "drain":
        this.#endDrain(nowUs);
        break;
      default:
        if (nowUs >= this.#line.unansweredUs(this.#sinceUs)) this.#hush(nowUs);
        else this.#goOn(nowUs);
    }
  }

  wantsProbe(nowUs: number): boolean {
    const isSilent = this.#state === "greeting" || this.#state === "quiet";
    return this.#waits && isSilent && this.#probes.take(nowUs, this.#line);
  }

  busyUs(nowUs: number): number {
    return this.#busySinceUs === undefined ? 0 : nowUs - this.#busySinceUs;
  }

  windowBytes(): number {
    return Math.max(WINDOW_BYTES_MIN, this.#line.windowBytes(this.#rate));
  }

  allowance(nowUs: number, lateUs: number): number {
    const rate = this.#pace();
    if (rate === 0) return 0;
    const leftBytes = this.#step?.leftBytes ?? Number.POSITIVE_INFINITY;
    if (rate === Number.POSITIVE_INFINITY) return leftBytes;
    return Math.min(leftBytes, this.#credit.allowance(nowUs, rate, lateUs));
  }

  allowedAtUs(nowUs: number): number {
    const rate = this.#pace();
    return rate === 0 ? Number.POSITIVE_INFINITY : this.#credit.nextAtUs(nowUs, rate);
  }

  lineRate(): number {
    return this.#line.capacity > 0 ? this.#line.capacity : LINE_RATE_INITIAL;
  }

  status(): ControllerStatus {
    return { state: told(this.#state), ...this.#line.status };
  }

  /** How fast we send now; `Infinity` where a burst leaves at once. */
  #pace(): number {
    if (this.#state === "step") {
      return this.#step?.kind === "train" ? this.#rate : Number.POSITIVE_INFINITY;
    }
    return USING.has(this.#state) || this.#state === "drain" ? this.#rate : 0;
  }

  #dueUs(): number {
    const roundUs = this.#line.roundUs;
    const unansweredUs = this.#line.unansweredUs(this.#sinceUs);
    switch (this.#state) {
      case "greeting":
      case "quiet":
        return this.#probes.nextUs;
      case "step":
      case "judging":
        return this.#step?.untilUs(roundUs) ?? 0;
      case "drain":
        return this.#draining.dueUs;
      case "start":
      case "ramp":
        return Math.min(this.#sinceUs + roundUs, unansweredUs);
      case "run":
        return Math.min(this.#nextUpUs, unansweredUs);
      case "up":
        return Math.min(this.#up.untilUs, unansweredUs);
      case "down":
        return Math.min(this.#sinceUs + 2.2 * roundUs, unansweredUs);
    }
  }

  #go(nowUs: number, state: State): void {
    this.#state = state;
    this.#sinceUs = nowUs;
  }

  /** Something has arrived. */
  #look(nowUs: number): void {
    switch (this.#state) {
      case "greeting":
        if (this.#line.answers >= GREETINGS) this.#meet(nowUs, this.#meeting.greet(this.#line));
        break;
      case "judging":
        if ((this.#step?.arrived(this.#line.samples).length ?? 0) >= (this.#step?.sent ?? 0)) {
          this.#judge(nowUs);
        }
        break;
      case "start":
        this.#watchStart(nowUs);
        break;
      case "quiet": {
        const newest = this.#line.samples.at(-1);
        if (newest !== undefined) this.#silence.onProbe(nowUs, newest, this.#line.clearUs);
        this.#tryAgain(nowUs);
        break;
      }
      case "step":
      case "drain":
        break;
      default:
        this.#watch(nowUs);
    }
  }

  /** Time has passed while we use the line. */
  #goOn(nowUs: number): void {
    switch (this.#state) {
      case "start":
        if (this.#line.answeredAtUs > this.#sinceUs) this.#rate *= START_GAIN;
        this.#go(nowUs, "start");
        break;
      case "run":
        this.#reach(nowUs);
        break;
      case "up":
        this.#rate = SHARE_DOWN * this.#line.capacity;
        this.#go(nowUs, "down");
        break;
      default:
        this.#run(nowUs);
    }
  }

  /** Goes on with meeting the line. */
  #meet(nowUs: number, next: Next): void {
    switch (next.kind) {
      case "start":
        this.#start(nowUs);
        break;
      case "train":
        this.#calibrated = false;
        this.#train(nowUs, "clear");
        break;
      default:
        this.#begin(nowUs, next.kind, next.packets);
    }
  }

  #begin(nowUs: number, kind: Step["kind"], packets: number): void {
    this.#step = new Step(nowUs, kind, packets);
    this.#credit.clear(nowUs);
    this.#line.rest();
    this.#go(nowUs, "step");
  }

  /** Tests whether the line is free. */
  #train(nowUs: number, occasion: Occasion): void {
    this.#occasion = occasion;
    this.#rate = TRAIN_RATE * this.#line.capacity;
    this.#begin(nowUs, "train", trainPackets(this.#line.capacity, this.#line.noise.us));
  }

  #judge(nowUs: number): void {
    const step = this.#step;
    if (step === undefined) return;
    this.#step = undefined;
    if (step.kind === "train") this.#judgeTrain(nowUs, step);
    else this.#meet(nowUs, this.#meeting.judge(step, this.#line));
  }

  #judgeTrain(nowUs: number, step: Step): void {
    const flatUs = this.#line.flatUs;
    const { passed, slope, lastUs } = trainVerdict(step, this.#line, this.#line.alarmUs + flatUs);
    if (!passed) {
      this.#failTrain(nowUs, step);
      return;
    }
    this.#slower.onPassed();
    if (flatUs > 0 && lastUs > this.#line.clearUs) {
      if (!this.#silence.onFlatPassed(nowUs)) {
        this.#quieten(nowUs);
        return;
      }
      this.#line.lengthen(flatUs);
    }
    if (slope > TRAIN_SLOPE_MIN) this.#line.capacity *= TRAIN_SLOWER;
    // One of ours that gives us a turn does not come back for it.
    const comeBack = this.#silence.endedLasting() && !this.#silence.takesTurns(nowUs);
    if (this.#proven && comeBack) this.#share.beCourteous(nowUs);
    this.#rate = RAMP * this.#line.capacity;
    this.#ranSinceUs = nowUs;
    this.#go(nowUs, "ramp");
  }

  #failTrain(nowUs: number, step: Step): void {
    if (!this.#proven && this.#occasion === "clear" && this.#silence.failures > 0) {
      // Bursts can mislead, and others do not fail every test before the first.
      this.#silence.clear();
      this.#start(nowUs);
      return;
    }
    const train = step.arrived(this.#line.samples);
    const slower = this.#slower.onFailed(train, this.#line);
    if (slower !== undefined) this.#line.capacity = slower;
    this.#silence.onFailed(nowUs, this.#occasion, {
      roundUs: this.#line.roundUs,
      lost: train.length === 0,
    });
    this.#quieten(nowUs);
  }

  /** Feels its way up from next to nothing. */
  #start(nowUs: number): void {
    this.#line.capacity = 0;
    this.#rate = START_RATE;
    this.#credit.clear(nowUs);
    this.#ranSinceUs = nowUs;
    this.#go(nowUs, "start");
  }

  #watchStart(nowUs: number): void {
    const seen = startVerdict(this.#line);
    if (seen === undefined) return;
    if (seen === "others") {
      this.#hush(nowUs);
      return;
    }
    this.#line.capacity = seen;
    this.#drain(nowUs);
  }

  #run(nowUs: number): void {
    this.#proven = true;
    if (nowUs - this.#ranSinceUs > SECOND) {
      this.#busySinceUs = undefined;
      this.#slower.onUsed(this.#line.capacity);
    }
    this.#rate = this.#share.part(nowUs) * this.#line.capacity;
    this.#nextUpUs = nowUs + Math.max(8 * this.#line.roundUs, 300 * MS);
    this.#go(nowUs, "run");
  }

  /** Reaches for more than we have, if there is a reason to think that it is there. */
  #reach(nowUs: number): void {
    const isHeldBack = this.#share.isCourteous(nowUs) || !this.#share.isFull;
    if (isHeldBack) {
      if (!this.#share.isCourteous(nowUs)) this.#share.reach(nowUs);
      this.#run(nowUs);
    } else {
      this.#up.begin(nowUs, this.#line);
      this.#rate = this.#up.gain * this.#line.capacity;
      this.#go(nowUs, "up");
    }
  }

  #watch(nowUs: number): void {
    const limitUs = this.#line.alarmUs + (this.#state === "up" ? PROBE_UP_SLACK_US : 0);
    const waited = lastingForeign(this.#line.samples, limitUs);
    if (waited.length > 0) {
      this.#onForeign(nowUs, waited);
    } else if (this.#state === "down" && nowUs >= this.#sinceUs + 1.2 * this.#line.roundUs) {
      this.#endUp(nowUs);
    } else if (this.#state === "run") {
      this.#line.noise.learn(nowUs, this.#line.roundUs, this.#line.samples);
    }
  }

  #endUp(nowUs: number): void {
    const outcome = this.#up.end(this.#line);
    if (outcome.kind !== "nothing") this.#line.capacity = outcome.capacity;
    if (outcome.kind === "full") this.#calibrated = true;
    if (outcome.kind === "faster") this.#reach(nowUs);
    else this.#run(nowUs);
  }

  /** There is a wait that is not our own. */
  #onForeign(nowUs: number, waited: readonly Sample[]): void {
    const seen = judgeForeign(this.#line, waited);
    if (seen.isOver && this.#moments.isOne(nowUs, this.#line.roundUs)) {
      this.#line.hasShown(seen.outRate);
      this.#drain(nowUs, "foreign");
      return;
    }
    if (seen.isGentle && !this.#calibrated && seen.others < UNCALIBRATED) {
      this.#calibrated = true;
      this.#line.capacity = seen.slower;
      this.#drain(nowUs);
      return;
    }
    const isShared = seen.isGentle && this.#share.mayShare(nowUs);
    if (!isShared || nowUs - this.#ranSinceUs < SECOND) {
      this.#hush(nowUs, seen.isOver);
      return;
    }
    const isNobody = seen.others < OTHERS_MIN;
    if (isNobody) this.#line.capacity = seen.slower;
    this.#share.onMet(nowUs, isNobody ? 0 : seen.others);
    this.#drain(nowUs);
  }

  #drain(nowUs: number, what: Drained = this.#proven ? "all" : "growing"): void {
    this.#draining.begin(nowUs, this.#line, what);
    this.#rate = DRAIN_SHARE * this.#line.capacity;
    this.#go(nowUs, "drain");
  }

  #endDrain(nowUs: number): void {
    const found = this.#draining.look(nowUs, this.#line);
    if (found === "empty") this.#run(nowUs);
    else if (found === "others") this.#hush(nowUs);
  }

  /** Others are there: not a packet more. */
  #hush(nowUs: number, isOver = false): void {
    // What was measured while others were there is no measure.
    if (!this.#proven) this.#line.capacity = 0;
    this.#share.reset(nowUs - this.#ranSinceUs);
    this.#line.noise.forgetLast();
    this.#line.forgetProbes();
    this.#moments.onOthers(nowUs);
    this.#silence.onAlarm(nowUs, { ranUs: nowUs - this.#ranSinceUs, isOver }, this.#line);
    this.#quieten(nowUs);
  }

  #quieten(nowUs: number): void {
    this.#busySinceUs ??= nowUs;
    this.#line.rest();
    this.#probes.begin(nowUs);
    this.#go(nowUs, "quiet");
  }

  #tryAgain(nowUs: number): void {
    const occasion = this.#waits ? this.#silence.occasion(nowUs, this.#line) : undefined;
    if (occasion !== undefined && this.#line.capacity > 0) this.#train(nowUs, occasion);
    else if (occasion === "clear") this.#start(nowUs);
  }
}
