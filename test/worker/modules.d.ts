interface ImportMeta {
  /** Vite's, as far as the tests use it: the files that match, by path. */
  glob<Content>(
    pattern: string,
    options: { readonly query: string; readonly import: string; readonly eager: true },
  ): Record<string, Content>;
}
