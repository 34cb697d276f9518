/** Text styles; identity functions where colour is not wanted. */
export interface Styles {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
}

/** Where a command writes: results to stdout, everything said on the way to stderr. */
export interface Terminal {
  /** Results are JSON lines. */
  readonly json: boolean;
  /** Styles for stdout and for stderr, which may differ in being a terminal. */
  readonly styles: Styles;
  readonly errorStyles: Styles;
  /** stderr can redraw lines. */
  readonly interactive: boolean;
  /** Columns of stderr. */
  readonly width: () => number;
  /** A line on stdout, for people. Nothing with `--json`. */
  print(line: string): void;
  /** A result on stdout: `text` for people, `value` as one JSON line with `--json`. */
  result(value: Readonly<Record<string, unknown>>, text: string): void;
  /** A line on stderr. */
  note(line: string): void;
  /** Raw characters on stderr. */
  draw(characters: string): void;
}

interface Stream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export function makeTerminal(
  stdout: Stream,
  stderr: Stream,
  environment: Readonly<Record<string, string | undefined>>,
  json: boolean,
): Terminal {
  const dumb = environment["TERM"] === "dumb";
  const colourful = (stream: Stream) => stream.isTTY === true && !environment["NO_COLOR"] && !dumb;
  return {
    json,
    styles: makeStyles(colourful(stdout)),
    errorStyles: makeStyles(colourful(stderr)),
    interactive: stderr.isTTY === true && !dumb,
    width: () => stderr.columns ?? 80,
    print: (line) => void (json || stdout.write(`${line}\n`)),
    result: (value, text) => void stdout.write(`${json ? JSON.stringify(value) : text}\n`),
    note: (line) => void stderr.write(`${line}\n`),
    draw: (characters) => void stderr.write(characters),
  };
}

function makeStyles(colour: boolean): Styles {
  const style = (begin: number, end: number) => (text: string) =>
    colour ? `\u001B[${begin}m${text}\u001B[${end}m` : text;
  return { bold: style(1, 22), dim: style(2, 22), red: style(31, 39), green: style(32, 39) };
}
