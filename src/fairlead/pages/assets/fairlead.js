/* What a script adds, and nothing needs: copying, tabs, answers without a new page. */
"use strict";
(() => {
  const all = (within, what) => [...within.querySelectorAll(what)];

  /* The page knows better than the server under which address it was reached. */
  const rebase = (within) => {
    const link = document.querySelector("a.sign");
    const real = new URL(link.getAttribute("href"), location.href).href.replace(/\/$/, "");
    if (!/^[\w.:/[\]~%-]+$/.test(real)) return; /* it is pasted into shells, and a link may hold anything */
    for (const code of all(within, "code[data-base]")) {
      if (code.dataset.base !== real) code.textContent = code.textContent.replaceAll(code.dataset.base, real);
      code.dataset.base = real;
    }
  };

  const copies = (within) => {
    if (!navigator.clipboard) return;
    for (const pre of all(within, ".code pre")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        await navigator.clipboard.writeText(pre.innerText.trimEnd());
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
      });
      pre.after(button);
    }
  };

  const previews = (within) => {
    for (const input of all(within, "input[data-preview]")) {
      input.addEventListener("change", () => {
        const reader = new FileReader();
        reader.addEventListener("load", () => {
          let image = input.parentElement.querySelector("img.preview");
          if (!image) {
            image = document.createElement("img");
            image.className = "preview";
            image.alt = "The picture that was chosen";
            input.after(image);
          }
          image.src = reader.result;
        });
        if (input.files[0]) reader.readAsDataURL(input.files[0]);
      });
    }
  };

  const dress = (within) => { rebase(within); copies(within); previews(within); };

  /* A form whose answer takes the place of a part of the page. Without it the whole page comes. */
  for (const form of all(document, "form[data-partial]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const files = form.enctype === "multipart/form-data";
      const fields = new FormData(form);
      const button = form.querySelector("button");
      button.disabled = true;
      form.classList.add("busy");
      try {
        const answer = await fetch(form.action, {
          method: "POST",
          headers: { accept: "text/html" },
          body: files ? fields : new URLSearchParams(fields),
        });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const id of [form.dataset.partial, "#snippets"]) {
          const from = page.querySelector(id);
          const to = document.querySelector(id);
          if (from && to) { to.replaceChildren(...from.childNodes); dress(to); }
        }
        if (!page.querySelector(form.dataset.partial)) {
          const note = page.querySelector(".note");
          document.querySelector(form.dataset.partial).replaceChildren(note || "This did not work.");
        }
      } catch {
        form.submit();
      } finally {
        button.disabled = false;
        form.classList.remove("busy");
      }
    });
  }
  /* A slider says what it stands for while it moves. */
  for (const input of all(document, "form[data-live] input[type=range]")) {
    const output = document.querySelector(`output[for="${input.id}"]`);
    input.addEventListener("input", () => {
      const number = "power" in input.dataset ? Number((10 ** input.value).toPrecision(2)) : Number(input.value);
      output.textContent = input.dataset.words.replace("{}", number.toLocaleString("en-US"));
    });
  }
  dress(document);
})();
