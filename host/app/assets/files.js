// Files out of what was dropped or chosen, folders with all that is below them.

/** Names of files that are expected to be images: one that cannot be read is told, other files of a folder are passed over. */
const IMAGE_NAME = /\.(avif|bmp|dcm|dcm30|dib|dic|dicom|dng|gif|heic|heif|img|ima|j2c|j2k|jfif|jp2|jpe?g|jls|jpx|jxl|png|tiff?|webp)$/i;

/** A file of a folder that may be no image and is nobody's mistake. */
export const isPassedOver = (item, problem) => item.found && problem.type === "urn:cxr:problem:not-an-image" && !IMAGE_NAME.test(item.name);

const listed = (reader) => new Promise((resolve, reject) => reader.readEntries(resolve, reject));
const opened = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));

async function* walk(entry) {
  if (entry.isFile) {
    yield { file: await opened(entry), name: entry.fullPath.replace(/^\//, ""), found: true };
    return;
  }
  const reader = entry.createReader();
  const all = [];
  // A reader gives a hundred or so at a time.
  for (let some = await listed(reader); some.length > 0; some = await listed(reader)) all.push(...some);
  all.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const one of all.filter((one) => !one.name.startsWith("."))) yield* walk(one);
}

/** What was dropped: `{ file, name, found }` each; `found` in a folder. */
export async function dropped(transfer) {
  // Entries are gone when this function first waits.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return chosen(transfer.files);
  const all = [];
  for (const entry of entries) {
    for await (const one of walk(entry)) all.push({ ...one, found: one.found && entry.isDirectory });
  }
  return all;
}

/** What was chosen in a field or pasted. */
export const chosen = (files) => [...files].filter((file) => file instanceof File)
  .map((file) => ({ file, name: file.webkitRelativePath || file.name || "pasted image", found: Boolean(file.webkitRelativePath) }))
  .filter(({ name, found }) => !found || !name.includes("/."))
  // A chosen folder comes in any order.
  .sort((a, b) => (a.found && b.found && a.name !== b.name ? (a.name < b.name ? -1 : 1) : 0));
