/** Runs a statement that writes. @returns whether it changed anything */
export async function hasChanged(statement: D1PreparedStatement): Promise<boolean> {
  const { meta } = await statement.run();
  return meta.changes > 0;
}
