import { ApiError } from "../../../shared/api/client/api-error.ts";
import { Connection } from "../../../shared/api/client/connection.ts";
import type { RunFacts } from "./run-facts.ts";
import type { ActionWorld } from "./world.ts";

const HEADERS = { accept: "application/vnd.github+json", "x-github-api-version": "2022-11-28" };
const PAGE = 100;
const MOST_PAGES = 30;

/** Whose comments are taken for ours: of bots, and of people who may write to the repository anyway. */
const WRITERS: ReadonlySet<string> = new Set(["OWNER", "MEMBER", "COLLABORATOR"]);

interface Comment {
  readonly id: number;
  readonly body?: string | null;
  readonly user?: { readonly type?: string } | null;
  readonly author_association?: string;
}

/**
 * The one comment on a pull request that tells of a spec's runs: made once, then changed, so that nobody is told of every
 * commit.
 * @see https://docs.github.com/en/rest/issues/comments
 */
export class StickyComment {
  readonly #connection: Connection;
  readonly #comments: string;
  readonly #number: number;
  readonly #marker: string;

  /**
   * @param token may write to pull requests or issues
   * @param marker what the comment begins with
   */
  constructor(world: ActionWorld, { apiUrl, repository }: RunFacts, number: number, token: string, marker: string) {
    this.#connection = new Connection({
      url: apiUrl,
      token,
      fetch: world.fetch,
      now: world.now,
      wait: (pause) => world.wait(pause),
    });
    this.#comments = `/repos/${repository}/issues`;
    this.#number = number;
    this.#marker = marker;
  }

  /**
   * Writes the comment.
   * @param bodyOf makes it from what it says so far
   * @throws ApiError
   */
  async write(bodyOf: (previous: string | undefined) => string): Promise<void> {
    const found = await this.#find();
    const send = { body: { body: bodyOf(found?.body ?? undefined) }, headers: HEADERS };
    if (found !== undefined) {
      try {
        await this.#connection.json("PATCH", `${this.#comments}/comments/${found.id}`, send);
        return;
      } catch (error) {
        // Somebody deleted it just now.
        if (!(error instanceof ApiError && error.status === 404)) throw error;
      }
    }
    await this.#connection.json("POST", `${this.#comments}/${this.#number}/comments`, send);
  }

  async #find(): Promise<Comment | undefined> {
    for (let page = 1; page <= MOST_PAGES; page++) {
      const path = `${this.#comments}/${this.#number}/comments?per_page=${PAGE}&page=${page}`;
      const comments = await this.#connection.json<readonly Comment[]>("GET", path, { headers: HEADERS });
      const found = comments.find((comment) => this.#isOurs(comment));
      if (found !== undefined) return found;
      if (comments.length < PAGE) return undefined;
    }
    return undefined;
  }

  /** A stranger may write our marker too, and would own what we then write there. */
  #isOurs({ body, user, author_association }: Comment): boolean {
    const isTrusted = user?.type === "Bot" || WRITERS.has(author_association ?? "");
    return isTrusted && (body ?? "").replaceAll("\r\n", "\n").startsWith(`${this.#marker}\n`);
  }
}
