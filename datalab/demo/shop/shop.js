"use strict";

// The cart lives in this tab only. Where storage is blocked it lives as long as the page.
const CART = "teahouse-cart";
let remembered = "[]";

function readCart() {
  try {
    remembered = sessionStorage.getItem(CART) ?? "[]";
  } catch {
    // Keep what this page remembers.
  }
  return JSON.parse(remembered);
}

function writeCart(lines) {
  remembered = JSON.stringify(lines);
  try {
    sessionStorage.setItem(CART, remembered);
  } catch {
    // The page remembers it.
  }
  showCart();
}

const euros = (cents) => `€${(cents / 100).toFixed(2)}`;
const sum = (lines, of) => lines.reduce((total, line) => total + of(line), 0);

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function cartLine(line) {
  const change = (by) => {
    const lines = readCart().map((each) => (each.slug === line.slug ? { ...each, quantity: each.quantity + by } : each));
    writeCart(lines.filter((each) => each.quantity > 0 && each.quantity < 100));
  };
  const button = (text, label, by) => {
    const made = element("button", { type: "button", textContent: text, onclick: () => change(by) });
    made.setAttribute("aria-label", `${label} ${line.name}`);
    return made;
  };
  return element(
    "li",
    {},
    element("img", { src: line.image, alt: "", width: 72, height: 72 }),
    element("a", { href: `/products/${line.slug}`, textContent: line.name }),
    element("span", { className: "quantity" }, button("−", "One less", -1), element("output", { textContent: line.quantity }), button("+", "One more", 1)),
    element("span", { className: "price", textContent: euros(line.cents * line.quantity) }),
  );
}

function showCart() {
  const lines = readCart();
  const count = sum(lines, (line) => line.quantity);
  for (const badge of document.querySelectorAll("[data-cart-count]")) {
    badge.textContent = count;
    badge.hidden = count === 0;
  }
  for (const list of document.querySelectorAll("[data-cart-lines]")) list.replaceChildren(...lines.map(cartLine));
  for (const total of document.querySelectorAll("[data-cart-total]")) total.textContent = euros(sum(lines, (line) => line.cents * line.quantity));
  const full = document.getElementById("cart-full");
  if (full) {
    full.hidden = count === 0;
    document.getElementById("cart-empty").hidden = count > 0;
  }
}

document.getElementById("add-to-cart")?.addEventListener("click", ({ currentTarget: { dataset } }) => {
  const lines = readCart();
  const line = lines.find((each) => each.slug === dataset.slug);
  if (line) line.quantity = Math.min(line.quantity + 1, 99);
  else lines.push({ slug: dataset.slug, name: dataset.name, cents: Number(dataset.cents), image: dataset.image, quantity: 1 });
  writeCart(lines);
  document.getElementById("added").replaceChildren("In your cart. ", element("a", { href: "/cart", id: "go-to-cart", textContent: "Go to the cart" }));
});

document.getElementById("newsletter")?.addEventListener("click", () => {
  document.getElementById("newsletter-thanks").textContent = "Thank you. This is a demo, so no letter will come.";
});

for (const button of document.querySelectorAll("[data-filter]")) {
  button.addEventListener("click", () => {
    for (const each of document.querySelectorAll("[data-filter]")) each.setAttribute("aria-pressed", String(each === button));
    for (const card of document.querySelectorAll("#products > li")) card.hidden = !["all", card.dataset.kind].includes(button.dataset.filter);
  });
}

// The checkout is one page: its steps change the address without a load, as single-page sites do.
function showStep(path) {
  for (const step of document.querySelectorAll("[data-step]")) {
    step.hidden = step.dataset.step !== path;
    if (step.hidden) continue;
    document.title = `${step.dataset.title} · Teahouse`;
    step.querySelector("h1").focus({ preventScroll: true });
  }
  scrollTo({ top: 0, behavior: "instant" });
}

if (document.getElementById("checkout")) {
  for (const link of document.querySelectorAll("[data-go]")) {
    link.addEventListener("click", (event) => {
      if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      history.pushState(null, "", link.getAttribute("href"));
      showStep(location.pathname);
      if ("emptiesCart" in link.dataset) writeCart([]);
    });
  }
  addEventListener("popstate", () => showStep(location.pathname));
}

showCart();
addEventListener("pageshow", (event) => event.persisted && showCart());
