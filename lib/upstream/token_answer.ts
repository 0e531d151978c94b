/** An upstream's token answer, before the library judges it: by then the server has used up the code, or the former refresh token. */

/**
 * The answer without what says nothing and would have the library refuse all of it: members that are `null`, which servers write for what they
 * leave out; and an ID token, which tells a client who has signed in. The gateway signs nobody in by an upstream, while the library
 * checks one that is there, down to the signature algorithms of the metadata.
 */
export async function usableAnswer(answer: Response): Promise<Response> {
  if (answer.status !== 200) return answer;
  const { status, headers } = answer;
  const text = await answer.text();
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === "object" && body !== null && !Array.isArray(body)) {
      const members = Object.entries(body).filter(([name, value]) => name !== "id_token" && value !== null);
      return Response.json(Object.fromEntries(members), { status, headers });
    }
  } catch {
    // What is no JSON is for the library to refuse.
  }
  return new Response(text, { status, headers });
}
