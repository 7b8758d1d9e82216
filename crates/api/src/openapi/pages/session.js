// Who requests go as. The token lives in this tab only.

const KEY = "ninefold.docs.token";
const button = document.getElementById("session");
const dialog = document.getElementById("sign-in");
const form = dialog.querySelector("form");
const wrong = dialog.querySelector(".wrong");

export const token = () => sessionStorage.getItem(KEY);

function show() {
  button.textContent = token() ? "Sign out" : "Sign in";
  button.classList.toggle("on", Boolean(token()));
}

async function signIn(fields) {
  if (fields.get("token").trim()) {
    return fields.get("token").trim();
  }
  const body = JSON.stringify({ email: fields.get("email"), password: fields.get("password") });
  const response = await fetch("/auth/sign-in", { method: "POST", headers: { "Content-Type": "application/json" }, body });
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.detail);
  }
  return answer.accessToken;
}

button.addEventListener("click", () => {
  if (token()) {
    sessionStorage.removeItem(KEY);
    return show();
  }
  wrong.hidden = true;
  dialog.showModal();
});

form.addEventListener("submit", async (event) => {
  if (event.submitter?.value !== "sign-in") {
    return;
  }
  event.preventDefault();
  try {
    sessionStorage.setItem(KEY, await signIn(new FormData(form)));
    form.reset();
    dialog.close();
    show();
  } catch (error) {
    wrong.textContent = error.message;
    wrong.hidden = false;
  }
});

show();
