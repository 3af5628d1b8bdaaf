// A gate's memory: who came in here, what was not told to the platform yet, and which tickets are not valid any more. Kept in the browser, so that a gate works without a network and after a restart.

const NAME = "usher-gate";

/** @typedef {{key: string, show: string, code: string, at: string, told: boolean, name: string}} Scan */

/** @returns {Promise<IDBDatabase>} */
function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("scans", { keyPath: "key" });
      asked.result.createObjectStore("facts");
    };
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

/** @type {Promise<IDBDatabase> | undefined} */
let database;

/**
 * One transaction with one store. @template T
 * @param {"scans" | "facts"} store @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T> | void} act @returns {Promise<T>}
 */
async function within(store, mode, act) {
  database ??= open();
  const transaction = (await database).transaction(store, mode, { durability: "strict" });
  const request = act(transaction.objectStore(store));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(/** @type {any} */ (request?.result));
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** @param {string} key @returns {Promise<Scan | undefined>} */
export const scanned = (key) => within("scans", "readonly", (store) => store.get(key));
/** @param {Scan} scan */
export const keepScan = (scan) => within("scans", "readwrite", (store) => store.put(scan));
/** Scans of a show that were not told yet. @param {string} show */
export const untold = async (show) => (await within("scans", "readonly", (store) => /** @type {IDBRequest<Scan[]>} */ (store.getAll()))).filter((scan) => scan.show === show && !scan.told);
/** @param {string} name @returns {Promise<any>} */
export const fact = (name) => within("facts", "readonly", (store) => store.get(name));
/** @param {string} name @param {any} value */
export const keepFact = (name, value) => within("facts", "readwrite", (store) => store.put(value, name));
