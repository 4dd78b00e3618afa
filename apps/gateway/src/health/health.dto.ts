export class Alive {
  /** Always `alive`. */
  status: string;
}

export class FailingCheck {
  /** What is not usable, e.g. `nats`. */
  name: string;

  reason: string;
}

export class ReadyState {
  /** `ready` or `not_ready`. */
  status: string;

  failing: FailingCheck[];
}
