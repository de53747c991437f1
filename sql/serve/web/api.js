// Asking the server. A question that is asked again while its answer is awaited drops the first.

const running = new Map();

async function ask(key, url, options) {
  running.get(key)?.abort();
  const controller = new AbortController();
  running.set(key, controller);
  try {
    const answer = await fetch(url, {...options, signal: controller.signal});
    const text = await answer.text();
    let data;
    try {
      data = JSON.parse(text);
    } catch {
      throw new Error(text.slice(0, 300) || `the server answered ${answer.status}`);
    }
    if (!answer.ok) throw new Error(data.error ?? data.errors?.[0]?.msg ?? `the server answered ${answer.status}`);
    return data;
  } catch (error) {
    if (error instanceof TypeError) throw new Error('weft serve does not answer; is it still running?');
    throw error;
  } finally {
    if (running.get(key) === controller) running.delete(key);
  }
}

/** What a newer question replaced. */
export const isReplaced = (error) => error.name === 'AbortError';

export const get = (path, parameters) => {
  const query = parameters ? `?${parameters}` : '';
  return ask(path.split('/').slice(0, 4).join('/'), `/api/weft/${path}${query}`);
};
export const post = (path, body) =>
  ask(path, `/api/weft/${path}`, {method: 'POST', headers: {'Content-Type': 'text/plain'}, body});
