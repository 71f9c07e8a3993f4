"""Words on pages: which mean the same, and which say nothing."""

# What people call a button or a field when they change its text, in English and in the words of the neighbours; a line
# is one meaning. Without accents.
SAME_MEANING = """
save store keep apply update speichern sichern enregistrer sauvegarder guardar salvar opslaan salva
submit send file post deliver transmit absenden senden einreichen envoyer soumettre enviar invia verzenden
confirm ok okay accept agree approve yes bestaetigen bestatigen zustimmen annehmen confirmer accepter confirmar \
aceptar conferma akkoord
delete remove erase discard trash drop loeschen loschen entfernen supprimer effacer eliminar borrar elimina
cancel abort dismiss stop abbrechen annuler cancelar annulla
close dismiss exit hide schliessen fermer cerrar chiudi
search find lookup query suche suchen rechercher chercher buscar cerca zoeken
filter refine narrow filtern filtrer filtrar
next continue proceed forward weiter fortfahren suivant continuer siguiente continuar avanti volgende
back previous return zurueck zuruck retour precedent anterior volver atras indietro vorige
login signin log sign enter access anmelden einloggen connexion connecter acceder entrar iniciar accedi
logout signout abmelden ausloggen deconnexion salir esci
register signup join enroll create registrieren inscrire registrarse crear registrati
add new create plus insert hinzufuegen hinzufugen neu anlegen erstellen ajouter nouveau creer agregar anadir nuevo \
aggiungi nuovo
edit change modify amend update bearbeiten aendern andern modifier editer editar modificar modifica
open show view see display details oeffnen offnen anzeigen ansehen ouvrir afficher voir abrir ver mostrar
download export save herunterladen exportieren telecharger exporter descargar exportar scarica
upload attach import choose browse hochladen anhaengen joindre importer subir adjuntar carica
print drucken imprimer imprimir stampa
refresh reload aktualisieren neuladen actualiser actualizar recargar
settings preferences options configuration einstellungen parametres reglages ajustes configuracion
account profile user konto profil compte cuenta perfil
name title surname nachname vorname nom prenom nombre nome
email mail address courriel correo
phone telephone mobile tel telefon handy telefono
date day when datum jour fecha data
amount total sum price cost betrag summe preis montant prix importe precio
member patient customer client insured subscriber mitglied kunde versicherter adherent cliente miembro
number no id identifier code nr nummer numero
message note comment remark nachricht bemerkung kommentar commentaire nota comentario
password passphrase passwort kennwort contrasena passe
country land pays pais
help support assistance hilfe aide ayuda
quantity qty count menge anzahl quantite cantidad
basket cart bag warenkorb panier carrito
pay checkout buy order purchase bezahlen kaufen bestellen payer acheter pagar comprar
policy plan contract vertrag police contrat poliza
"""
# Words of ids and classes that say nothing about which element it is.
FILLERS = """
btn button input field txt text form ctl container wrapper main primary secondary default control group item box
link el element js css is has the a an of to in for and or on your my mui ant css sc v x xs sm md lg xl id icon
label col row active class div span
"""
